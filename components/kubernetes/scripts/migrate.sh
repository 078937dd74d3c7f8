#!/bin/sh
# Runs the Job that migrates the database. Its configuration, with the owner's password, goes to its standard input, and so is in no object of
# the cluster. What a killed deploy left of an earlier Job is removed first.
#
# Arguments: JOB SECONDS COMMAND...: the Job's name, how long it may take, and kubectl with its context and namespace.
# Environment: MANIFEST, the Job.
# Standard input: the configuration. Standard output: what the Job printed.
# Exit codes: 0 migrated; 1 not, with the Job's last lines on standard error.
set -eu

job=$1
seconds=$2
shift 2
config=$(cat)
end=$(($(date +%s) + seconds))

remove() {
  "$@" delete job "$job" --ignore-not-found --cascade=foreground --timeout=60s > /dev/null
}

# Ends with the message $1; the rest is kubectl, for the trap: where sh is bash, that has this function's words.
fail() {
  echo "$1" >&2
  shift
  exit 1
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

late() {
  [ "$(date +%s)" -ge "$end" ]
}

# Gives the Job its configuration, and stays until it ends. Where that fails kubectl says why, and it is tried again: with stdinOnce the Job's
# input ends with the first connection that has reached it, however that ended, so a later one adds nothing to it. Where this script was killed
# ($$ is its number here, too) it ends: the next deploy has a Job of this name and a configuration of its own.
give() {
  until printf '%s' "$config" | "$@" attach --quiet --stdin "job/$job" > /dev/null; do
    sleep 2
    kill -0 $$ 2> /dev/null || return
  done
}

tidy() {
  { kill "$giving" && wait "$giving"; } > /dev/null 2>&1 || :
  remove "$@" || :
}

giving=
remove "$@"
printf '%s' "$MANIFEST" | "$@" create --filename - > /dev/null
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
      "$@" logs "job/$job" --tail 50 >&2 || :
      fail "the migration failed; its last lines are above. What served before keeps serving." "$@"
      ;;
    "") fail "the migration's pod is gone. What served before keeps serving." "$@" ;;
  esac
  if late; then
    "$@" logs "job/$job" --tail 50 >&2 || :
    fail "the migration did not end within $seconds s and was stopped; its last lines are above. What served before keeps serving." "$@"
  fi
  sleep 1
done
