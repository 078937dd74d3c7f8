#!/bin/sh
# Prints the kubeconfig of an account of kubernetes.yaml, with the cluster and the name of the administrator's current
# context. Only who may read Secrets in the namespace can run it. All of it or nothing is printed.
#
# Arguments: ACCOUNT [NAMESPACE]: deploy or drift; default namespace audit
# Exit codes: 0 done; 1 the cluster does not give it, and why; 2 an argument is missing
set -eu
[ $# -ge 1 ] || { echo "usage: kubeconfig.sh ACCOUNT [NAMESPACE]" >&2; exit 2; }
account=$1
namespace=${2:-audit}

context=$(kubectl config current-context)
# As a JSON string, which YAML takes for text whatever is in it.
context=$(printf '%s\n' "$context" | sed 's/[\\"]/\\&/g; s/.*/"&"/')
# As JSON, with the authority's certificate in it.
cluster=$(kubectl config view --minify --flatten --output 'jsonpath={.clusters[0].cluster}')
# The cluster makes the token a moment after the Secret.
tries=0
while :; do
  token=$(kubectl get secret "$account" --namespace "$namespace" --output 'go-template={{with .data}}{{with .token}}{{. | base64decode}}{{end}}{{end}}') || {
    echo "error: the Secret $account in the namespace $namespace is not given. If the stack has another namespace, name it: sh bootstrap/kubeconfig.sh $account NAMESPACE. If there is no such Secret, apply kubernetes.yaml first." >&2
    exit 1
  }
  [ -z "$token" ] || break
  tries=$((tries + 1))
  [ "$tries" -lt 30 ] || { echo "error: the Secret $account in $namespace has no token; does the ServiceAccount $account exist there?" >&2; exit 1; }
  sleep 1
done

cat << END
apiVersion: v1
kind: Config
current-context: $context
clusters:
  - name: $context
    cluster: $cluster
users:
  - name: $account
    user:
      token: $token
contexts:
  - name: $context
    context:
      cluster: $context
      user: $account
      namespace: "$namespace"
END
