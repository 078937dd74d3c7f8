#!/bin/sh
# Runs the Job that migrates the database. Its configuration, with the owner's password, goes to its standard input, and so is in no object of
# the cluster. The cluster gives each Job a name of its own, so this touches no other deploy's. What a killed one left is removed first.
#
# Arguments: WORKLOAD SECONDS COMMAND...: the name label of the Job and its pod, how long it may take, and kubectl with its context and
#   namespace.
# Environment: MANIFEST, the Job, with generateName.
# Standard input: the configuration. Standard output: what the Job printed.
# Exit codes: 0 migrated; 1 not, with the Job's last lines on standard error.
set -eu

workload=$1
seconds=$2
shift 2
config=$(cat)
end=$(($(date +%s) + seconds))

# Ends with the message $1; the rest is kubectl, for the trap: where sh is bash, that has this function's words.
fail() {
  echo "$1" >&2
  shift
  exit 1
}

# Removes the Jobs of earlier deploys. A pod on a node that is lost never ends.
clear_former() {
  said=$("$@" delete job --selector "app.kubernetes.io/name=$workload" --cascade=foreground --timeout=60s 2>&1) && return
  case "$said" in
    *"timed out"*)
      stuck=$("$@" get pods --selector "app.kubernetes.io/name=$workload" \
        --output 'go-template={{range .items}}{{.metadata.name}} on the node {{.spec.nodeName}}{{"\n"}}{{end}}' | head -n 1)
      [ -z "$stuck" ] || fail "an earlier migration does not end: $stuck. If that node is lost for good: $* delete pod ${stuck%% *} --force. Then deploy again. Nothing was migrated." "$@"
      ;;
  esac
  fail "an earlier migration cannot be removed: $said. Nothing was migrated." "$@"
}

# The Job's pod, by what the template $1 makes of it; nothing while there is none.
pod() {
  template=$1
  shift
  "$@" get pods --selector "job-name=$job" --output "go-template={{range .items}}$template{{end}}"
}

# Its phase. A cluster that does not answer once says nothing of it.
phase() {
  pod '{{.status.phase}}' "$@" || echo Unknown
}

# Ends if the Job is gone, or about to go.
replaced() {
  state=$("$@" get job "$job" --ignore-not-found --output 'jsonpath={.kind}{.metadata.deletionTimestamp}') || return 0
  [ "$state" = Job ] || fail "the migration was removed: another deploy has replaced it, or somebody has deleted the Job $job. What served before keeps serving." "$@"
}

late() {
  [ "$(date +%s)" -ge "$end" ]
}

# Gives the Job its configuration, and stays until it ends. Where that fails kubectl says why, and it is tried again: with stdinOnce the Job's
# input ends with the first connection that has reached it, however that ended, so a later one adds nothing to it. Fails where it is refused
# for good.
give() {
  until said=$(printf '%s' "$config" | "$@" attach --quiet --stdin "job/$job" 2>&1 > /dev/null); do
    echo "$said" >&2
    case "$said" in *orbidden*) return 1 ;; *NotFound*) return ;; esac
    if late; then return; fi
    sleep 2
  done
}

tidy() {
  { kill "$giving" && wait "$giving"; } > /dev/null 2>&1 || :
  "$@" delete job "$job" --ignore-not-found --cascade=foreground --timeout=60s > /dev/null || :
}

giving=
clear_former "$@"
job=$(printf '%s' "$MANIFEST" | "$@" create --filename - --output 'jsonpath={.metadata.name}')
trap 'tidy "$@"' EXIT

while :; do
  phase=$(phase "$@")
  case "$phase" in Running | Succeeded | Failed) break ;; esac
  waiting=$(pod '{{range .status.containerStatuses}}{{with .state.waiting}}{{.reason}}: {{.message}}{{end}}{{end}}' "$@") || waiting=
  case "$waiting" in
    ImagePullBackOff* | InvalidImageName* | ErrImageNeverPull*) fail "the image cannot be pulled: $waiting. Nothing was migrated." "$@" ;;
    CreateContainer*) fail "the migration does not start: $waiting. Nothing was migrated." "$@" ;;
  esac
  if late; then fail "the migration did not start within $seconds s: ${waiting:-no node takes its pod}." "$@"; fi
  if [ -z "$phase" ]; then
    replaced "$@"
    refused=$("$@" get events --field-selector "involvedObject.name=$job,reason=FailedCreate" \
      --output 'go-template={{range .items}}{{.message}}{{"\n"}}{{end}}' | tail -n 1)
    [ -z "$refused" ] || fail "the cluster refuses the migration's pod: $refused. Nothing was migrated." "$@"
  fi
  sleep 1
done

if [ "$phase" = Running ]; then
  give "$@" &
  giving=$!
fi
while :; do
  case $(phase "$@") in
    Succeeded)
      "$@" logs "job/$job"
      exit 0
      ;;
    Failed)
      replaced "$@"
      removed=$(pod '{{if .metadata.deletionTimestamp}}removed{{end}}' "$@") || removed=
      [ -z "$removed" ] || fail "the migration's pod was removed: somebody has deleted it, or its node is being emptied. Deploy again. What served before keeps serving." "$@"
      "$@" logs "job/$job" --tail 50 >&2 || :
      fail "the migration failed; its last lines are above. What served before keeps serving." "$@"
      ;;
    "")
      replaced "$@"
      fail "the migration's pod is gone. What served before keeps serving." "$@"
      ;;
  esac
  if [ -n "$giving" ] && ! kill -0 "$giving" 2> /dev/null; then
    wait "$giving" || fail "the migration's pod did not take its configuration, for the reason above. Nothing was migrated." "$@"
    giving=
  fi
  if late; then
    "$@" logs "job/$job" --tail 50 >&2 || :
    fail "the migration did not end within $seconds s and was stopped; its last lines are above. What served before keeps serving." "$@"
  fi
  sleep 1
done
