#!/bin/sh
# The one command that a login of the job `drift` runs on a host with Docker, whatever it asks for (sshd: force-command). It lets through
# what Docker tells of its containers, images, networks and volumes, and nothing that changes them or reads what is in them.
#
# Environment: SSH_ORIGINAL_COMMAND, what the login asks for: `docker system dial-stdio`, or the program's list of what there is.
# Standard input and output: with the first, HTTP of Docker's API. Of each request only the first line is used, to write a new one without
# a body, in which no second request can hide. What is not allowed is answered 403.
# Exit codes: 0; 1 when another command is asked for.
set -u
LC_ALL=C
export LC_ALL
cr=$(printf '\r')

# components/host/list-present.sh, without its head.
list() {
  docker container ls --all --filter status=created --filter status=running --filter status=paused --filter status=restarting \
    --filter status=exited --format 'there {{.Names}}'
  docker container ls --filter status=running --format 'running {{.Names}}'
  docker network ls --format 'there {{.Name}}'
  echo .
}

one_segment() { case $1 in '' | */*) return 1 ;; esac; }

# name or id of a container -> whether it is the program's own, or is not there: the environment of others may hold their secrets
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

# reason: the answer, to the client past Docker
refuse() {
  echo "audit-docker-read: refused $1" >&2
  body='{"message":"audit-docker-read: this login only reads (docs/guide.md, step 5)"}'
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
  # The text of the script goes along, and is not looked at: what runs is the list above.
  "sh -c "*" list-present.sh")
    set -e
    list
    ;;
  "docker system dial-stdio")
    # First the filter's process, which would otherwise wait for the client after Docker has ended.
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
    echo "audit-docker-read: this login only reads what Docker tells (docs/guide.md, step 5)" >&2
    exit 1
    ;;
esac
