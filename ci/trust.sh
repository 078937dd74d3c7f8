#!/bin/sh
# Sourced by every job before anything else: `. ci/trust.sh`. Makes the job's programs trust the authorities that signed
# your own servers' certificates, in addition to the public ones.
#
# Variables: AUDIT_CA_FILE, a PEM file; default: audit:caFile in the file of stack AUDIT_STACK. Without either nothing is set.
# Sets NODE_EXTRA_CA_CERTS (Node, npm), SSL_CERT_FILE (Pulumi and its plugins, Buildah, apt), CURL_CA_BUNDLE and GIT_SSL_CAINFO.
# Ends the job with 1 if the file cannot be read.
ca_file=${AUDIT_CA_FILE:-}
if [ -z "$ca_file" ] && [ -f "Pulumi.${AUDIT_STACK:-vm2}.yaml" ]; then
  ca_file=$(sed -n "s/^ *audit:caFile: *[\"']\{0,1\}\([^\"'# ]*\).*/\1/p" "Pulumi.${AUDIT_STACK:-vm2}.yaml")
fi
if [ -n "$ca_file" ]; then
  case $ca_file in /*) ;; *) ca_file=$PWD/$ca_file ;; esac
  if ! [ -r "$ca_file" ]; then
    echo "error: $ca_file cannot be read; set AUDIT_CA_FILE, or audit:caFile of the stack, to a PEM file with your authorities" >&2
    exit 1
  fi
  # The other three variables replace the public authorities, so they name a file with both.
  authorities=$(mktemp)
  { node -p 'require("node:tls").rootCertificates.join("\n")' && cat "$ca_file"; } > "$authorities"
  export NODE_EXTRA_CA_CERTS="$ca_file" SSL_CERT_FILE="$authorities" CURL_CA_BUNDLE="$authorities" GIT_SSL_CAINFO="$authorities"
fi
