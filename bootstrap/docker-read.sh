#!/bin/sh
# The only command that a login of the job `drift` runs on a Docker host, whatever it asks for (sshd: force-command). It
# allows requests that inspect containers, images, networks and volumes, and nothing that changes them or reads their
# content.
#
# Environment: SSH_ORIGINAL_COMMAND, the requested command: `docker system dial-stdio`, or the program's list of what
#   exists.
# Standard input and output: for the first, HTTP of Docker's API. Only the first line of each request is used, to build
#   a new request without a body, so that no second request can hide in it. Anything not allowed is answered 403.
# Exit codes: 0; 1 if another command is requested.
set -u
LC_ALL=C
export LC_ALL
cr=$(printf '\r')

# The same as components/host/list-present.sh, without its header.
list() {
  docker container ls --all --filter status=created --filter status=running --filter status=paused --filter status=restarting \
    --filter status=exited --format 'there {{.Names}}'
  docker container ls --filter status=running --format 'running {{.Names}}'
  docker network ls --format 'there {{.Name}}'
  echo .
}

one_segment() { case $1 in '' | */*) return 1 ;; esac; }

# name or ID of a container -> whether it is the program's own or does not exist; other containers' environment may hold
# secrets
ours() {
  case $(docker container inspect --format '{{.Name}}' -- "$1" 2> /dev/null < /dev/null) in
    /audit-* | '') ;;
    *) return 1 ;;
  esac
}

# target of a request -> whether it only reads
reads() {
  case $1 in *[!!-~]*) return 1 ;; esac
  path=${1%%'?'*}
  case $path in *[!A-Za-z0-9/._:@-]* | *..* | *//*) return 1 ;; esac
  version=${path#/v}
  version=${version%%/*}
  case $path in /v[0-9]*/*) case $version in *[!0-9.]*) ;; *) path=${path#"/v$version"} ;; esac ;; esac
  case $path in
    /_ping | /version | /info | /containers/json | /images/json | /networks | /volumes) ;;
    /containers/*/json) path=${path#/containers/} && one_segment "${path%/json}" && ours "${path%/json}" ;;
    /networks/*) one_segment "${path#/networks/}" ;;
    /volumes/*) one_segment "${path#/volumes/}" ;;
    # Names of images have slashes.
    /images/*/json) ;;
    *) return 1 ;;
  esac
}

# reason -> the 403 answer, sent to the client without asking Docker
refuse() {
  echo "audit-docker-read: refused $1" >&2
  body='{"message":"audit-docker-read: this login only reads (docs/reference.md)"}'
  printf 'HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' \
    "${#body}" "$body" >&3
  exit 0
}

requests() {
  while IFS= read -r line; do
    line=${line%"$cr"}
    method=${line%% *}
    rest=${line#* }
    target=${rest%% *}
    [ "$line" = "$method $target HTTP/1.1" ] || refuse "a request that is no HTTP/1.1"
    case $method in GET | HEAD) ;; *) refuse "$method" ;; esac
    reads "$target" || refuse "$method $target"
    while IFS= read -r header; do
      case ${header%"$cr"} in
        '') break ;;
        [Cc][Oo][Nn][Tt][Ee][Nn][Tt]-[Ll][Ee][Nn][Gg][Tt][Hh]:*[1-9]*) refuse "a body" ;;
        [Tt][Rr][Aa][Nn][Ss][Ff][Ee][Rr]-*) refuse "a body" ;;
      esac
    done
    printf '%s %s HTTP/1.1\r\nHost: docker\r\nUser-Agent: audit-docker-read\r\n\r\n' "$method" "$target"
  done
}

case ${SSH_ORIGINAL_COMMAND-} in
  # The request contains the script's text, which is ignored: only the list above runs.
  "sh -c "*" list-present.sh")
    set -e
    list
    ;;
  "docker system dial-stdio")
    # The filter's process ID comes first: once Docker has ended, the filter is killed, or it would wait for the client.
    exec 3>&1
    { sh -c 'echo $PPID' && requests; } | {
      read -r filter
      docker system dial-stdio 3>&-
      code=$?
      kill "$filter" 2> /dev/null
      exit "$code"
    }
    ;;
  *)
    echo "audit-docker-read: this login only reads (docs/reference.md)" >&2
    exit 1
    ;;
esac
