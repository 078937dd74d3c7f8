#!/bin/sh
# Waits until a Deployment has replaced its pods. Kubernetes removes none that serves before its successor is ready.
#
# Arguments: NAME SELECTOR SECONDS COMMAND...: the Deployment, the labels of its new pods, how long each has to become ready, and kubectl with
#   its context and namespace.
# Environment: SETTING, what messages call the login for pulling images.
# Exit codes: 0 all pods are new and ready; 1 they are not, with their state and last lines on standard error.
set -eu

name=$1
selector=$2
seconds=$3
shift 3

# Names of pods that are not ready.
# shellcheck disable=SC2016 # of the template
unready='{{range .items}}{{$pod := .metadata.name}}{{range .status.conditions}}{{if and (eq .type "Ready") (eq .status "False")}}{{$pod}} {{end}}{{end}}{{end}}'

# What keeps the cluster from making the pods, such as a quota; nothing if nothing does.
refusal() {
  "$@" get deployment "$name" --output 'jsonpath={.status.conditions[?(@.type=="ReplicaFailure")].message}' || :
}

# `rollout status` itself fails after the Deployment's progressDeadlineSeconds, which are counted from the last pod that
# became ready. They never pass where the cluster refuses the first new pod already, and where it does not answer they
# are not known, so the time since the cluster last let it go on is counted here.
began=$(date +%s)
allowed=$began
first=yes
until output=$("$@" rollout status "deployment/$name" --timeout=5s 2>&1); do
  now=$(date +%s)
  case "$output" in
    *"exceeded its progress deadline"*)
      if [ "$((now - began))" -ge "$seconds" ]; then
        failed=yes
        break
      fi
      # A failure at the first look is left from an earlier deploy. Its cause may be gone, so the waiting pods are
      # recreated at once.
      if [ -n "$first" ]; then
        # shellcheck disable=SC2046 # a list of names
        "$@" delete pod --ignore-not-found --wait=false none $("$@" get pods --selector "$selector" --output "go-template=$unready") > /dev/null 2>&1 || :
      fi
      first=
      ;;
    *"timed out waiting"*)
      if [ "$("$@" get deployment "$name" --output 'jsonpath={.spec.paused}')" = true ]; then
        echo "$name is not replaced: it is paused. Resume it, then deploy again: $* rollout resume deployment/$name. What served before keeps serving." >&2
        exit 1
      fi
      if [ -z "$(refusal "$@")" ]; then allowed=$now; fi
      ;;
  esac
  if [ "$((now - allowed))" -ge "$seconds" ]; then
    failed=yes
    break
  fi
  sleep 1
done
[ -n "${failed:-}" ] || exit 0

refused=$(refusal "$@")
state='go-template={{range .status.initContainerStatuses}}{{if not .ready}}{{.name}}{{with .state.waiting}}: {{.reason}} {{.message}}{{end}}{{with .state.terminated}}: ended with exit code {{.exitCode}}{{end}}, {{.restartCount}} restarts. {{end}}{{end}}{{range .status.containerStatuses}}{{if not .ready}}{{.name}}{{with .state.waiting}}: {{.reason}} {{.message}}{{end}}{{with .lastState.terminated}}, ended before: {{.reason}} (exit code {{.exitCode}}){{end}}, {{.restartCount}} restarts. {{end}}{{end}}{{range .status.conditions}}{{if and (eq .type "PodScheduled") (eq .status "False")}}{{.reason}}: {{.message}}{{end}}{{end}}'
pulled=
for pod in $("$@" get pods --selector "$selector" --output name); do
  what=$("$@" get "$pod" --output "$state" 2>&1) || continue
  [ -n "$what" ] || continue
  echo "--- $pod: $what" >&2
  case "$what" in *ImagePullBackOff* | *ErrImagePull* | *InvalidImageName*) pulled=no ;; esac
  events=$("$@" get events --field-selector "involvedObject.name=${pod#*/},type=Warning" \
    --output 'go-template={{range .items}}{{.reason}}: {{.message}}{{"\n"}}{{end}}' 2> /dev/null | tail -n 5) || events=
  [ -z "$events" ] || printf '%s\n' "$events" >&2
  "$@" logs "$pod" --all-containers --prefix --tail 50 >&2 2>&1 || :
done

if [ -n "$refused" ]; then
  reason="the cluster refuses its pods: $refused"
elif [ -n "$pulled" ]; then
  reason="an image cannot be pulled: is it there, and may the login of $SETTING read it?"
else
  reason="its pods are not ready within $seconds s; their state and last lines are above"
fi
echo "$name is not replaced: $reason ($(printf '%s' "$output" | tail -n 1)). What served before keeps serving." >&2
exit 1
