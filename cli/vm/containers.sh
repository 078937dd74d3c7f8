#!/bin/sh
# Describes what runs on the VM, a JSON object a line: the containers, their images' digests, the active-slot marker. Of
# the environment of a container it shows the release alone.
#
# Arguments: FILE, the active-slot marker as Nginx sees it.
# Exit codes: 0 the list is complete.
set -eu

# shellcheck disable=SC2016 # variables of Docker's templates
release='{{range .Config.Env}}{{$pair := split . "="}}{{if eq (index $pair 0) "AUDIT_RELEASE"}}{{index $pair 1}}{{end}}{{end}}'
health='{{if .State.Health}}{{json .State.Health.Status}}{{else}}null{{end}}'
container='{"name":{{json .Name}},"image":{{json .Image}},"release":"'$release'","state":{{json .State.Status}},"health":'$health',"since":{{json .State.StartedAt}},"until":{{json .State.FinishedAt}},"exitCode":{{.State.ExitCode}},"outOfMemory":{{.State.OOMKilled}},"restarts":{{.RestartCount}}}'

marker=$1
# shellcheck disable=SC2046 # a list of ids
set -- $(docker ps --all --quiet --filter name=audit-)
[ $# -gt 0 ] || exit 0
docker inspect --format "$container" "$@"
# shellcheck disable=SC2046 # a list of ids
docker image inspect --format '{"id":{{json .Id}},"digests":{{json .RepoDigests}}}' \
  $(docker inspect --format '{{.Image}}' "$@" | sort -u)

# Without Nginx nobody knows the marker.
code=0
docker exec audit-edge-nginx test -e "$marker" 2> /dev/null || code=$?
case $code in
  0) echo '{"marker":"green"}' ;;
  1) if docker exec audit-edge-nginx true 2> /dev/null; then echo '{"marker":"blue"}'; fi ;;
esac
