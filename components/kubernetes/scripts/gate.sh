#!/bin/sh
# Kubernetes' readiness probe of the agent beside a service: the pod gets its first request only when the service works with the configuration
# as it was rendered, and sees the schema that this release needs. After that the service's own probe decides: a later configuration
# that it refuses must not take it away, since it goes on with the former one.
#
# Environment: AUDIT_READY_URL; AUDIT_RENDERED_FILE; AUDIT_SCHEMA, the version of the schema, or nothing where `migrate` told none; TMPDIR,
#   default /tmp, which ends with the pod.
# Exit codes: 0 the pod may have requests; 1 not yet, with the reason on standard output.
set -u

passed=${TMPDIR:-/tmp}/passed
if [ -e "$passed" ]; then exit 0; fi

body=$(wget -q -T 3 -O - "$AUDIT_READY_URL" 2>&1) || {
  echo "$AUDIT_READY_URL does not answer 2xx: $body"
  exit 1
}
want=$(sha256sum "$AUDIT_RENDERED_FILE" | cut -c 1-64)
case "$body" in
  *"$want"*) ;;
  *'"digest"'*)
    echo "the service works with another configuration than the one rendered, sha256 $want: $body"
    exit 1
    ;;
esac
got=$(printf %s "$body" | sed -n 's/.*"schemaVersion": *\([0-9]*\).*/\1/p')
if [ -n "${AUDIT_SCHEMA:-}" ] && [ "${got:-$AUDIT_SCHEMA}" -lt "$AUDIT_SCHEMA" ]; then
  echo "the service sees version $got of the schema, and migrate made $AUDIT_SCHEMA"
  exit 1
fi
: > "$passed"
