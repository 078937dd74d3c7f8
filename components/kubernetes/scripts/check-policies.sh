#!/bin/sh
# Finds out by a trial whether the cluster's network enforces network policies: of two pods, one is let out by a policy, and one is not. The
# second starts once the first has got an answer, or a network that is not there yet would pass for one that is closed. Their image is pulled
# even where a node has it, so the trial also shows whether the login for images is right.
#
# Arguments: OPEN CLOSED COMMAND...: the names of the pods, and kubectl with its context and namespace.
# Environment: OPEN_POD and CLOSED_POD, their manifests; CHECK, `require` or `warn`; SETTING, what messages call the choice between them; LOGIN,
#   what they call the login for images.
# Exit codes: 0 they are enforced, or that is not required; 1 they are not, it could not be told, or the image cannot be pulled, with the reason
#   on standard error.
set -eu

open=$1
closed=$2
shift 2

tidy() {
  "$@" delete pod "$open" "$closed" --ignore-not-found --grace-period=0 --force > /dev/null 2>&1 || :
}
trap 'tidy "$@"' EXIT
tidy "$@"

# The phase of the pod $1 and, behind a blank, what it waits for; $2 and more are the command.
look() {
  pod=$1
  shift
  "$@" get pod "$pod" --output 'jsonpath={.status.phase} {.status.conditions[?(@.status=="False")].message} {range .status.containerStatuses[*].state.waiting}{.reason}: {.message}{end}'
}

# Waits for the end of the pod $1, and leaves its phase in $ended.
await() {
  end=$(($(date +%s) + 90))
  while :; do
    seen=$(look "$@")
    ended=${seen%% *}
    waiting=${seen#* }
    case "$ended" in Succeeded | Failed) return ;; esac
    case "$waiting" in
      *ImagePullBackOff* | *InvalidImageName*)
        echo "the image of the pod $1, by which the cluster is tried, cannot be pulled: $waiting. Is it there, and may the login of $LOGIN read it? With a wrong login no node could take a pod whose image it does not have." >&2
        exit 1
        ;;
    esac
    if [ "$(date +%s)" -ge "$end" ]; then
      echo "the pod $1, by which network policies are tried, did not run within 90 s: $waiting" >&2
      exit 1
    fi
    sleep 1
  done
}

printf '%s' "$OPEN_POD" | "$@" create --filename - > /dev/null
await "$open" "$@"
if [ "$ended" = Failed ]; then
  problem="whether this cluster's network enforces NetworkPolicies could not be told: a pod that may reach everything did not reach the cluster's API"
else
  printf '%s' "$CLOSED_POD" | "$@" create --filename - > /dev/null
  await "$closed" "$@"
  [ "$ended" = Failed ] || exit 0
  problem="this cluster's network does not enforce NetworkPolicies: a pod that may reach nothing still reached the cluster's API"
fi
if [ "$CHECK" = warn ]; then
  echo "warning: $problem. Every pod of the cluster may then reach the service and its metrics." >&2
  exit 0
fi
echo "$problem. Use a network plugin that does (Calico, Cilium, kube-router), or set $SETTING to warn; every pod of the cluster may then reach the service and its metrics." >&2
exit 1
