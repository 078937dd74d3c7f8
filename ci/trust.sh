#!/bin/sh
# Sourced by every job before anything else: `. ci/trust.sh`. Checks the variables that name a proxy, and makes the job's
# programs trust the authorities that signed your own servers' certificates, in addition to the public ones.
#
# Variables: HTTPS_PROXY, HTTP_PROXY, https_proxy, http_proxy;
# AUDIT_CA_FILE, a PEM file; default: audit:caFile in the file of stack AUDIT_STACK. Without either nothing is set.
# Sets NODE_EXTRA_CA_CERTS (Node, npm), SSL_CERT_FILE (Pulumi and its plugins, Buildah, apt), CURL_CA_BUNDLE and GIT_SSL_CAINFO.
# Ends the job with 1 if a proxy's address or the file cannot be read.

# Whether Node can read an address of a proxy; lib/proxy.ts checks the same. Otherwise Node, told to heed the variables,
# ends before it runs any program, with a trace that may show the password.
is_readable_proxy() {
  case $1 in *[[:cntrl:]]*) return 1 ;; esac
  case $1 in http://* | https://* | socks://* | socks5://*) ;; *) return 1 ;; esac
  proxy_authority=${1#*://}
  proxy_authority=${proxy_authority%/}
  # Such a character ends the authority, within a password as well. And a % begins an escape.
  case $proxy_authority in *[/?#\\]*) return 1 ;; esac
  case $proxy_authority in *%[!0-9A-Fa-f]* | *%?[!0-9A-Fa-f]* | *% | *%?) return 1 ;; esac
  proxy_host=${proxy_authority##*@}
  proxy_port=
  # The colons in [::1] are not before a port.
  case $proxy_host in *]) ;; *:*) proxy_port=${proxy_host##*:} proxy_host=${proxy_host%:*} ;; esac
  case $proxy_host in "" | [!\[]*:*) return 1 ;; esac
  case $proxy_port in *[!0-9]* | ??????*) return 1 ;; esac
  [ "${proxy_port:-0}" -le 65535 ]
}
for proxy_variable in HTTPS_PROXY HTTP_PROXY https_proxy http_proxy; do
  eval "proxy=\${$proxy_variable:-}"
  if [ -n "$proxy" ] && ! is_readable_proxy "$proxy"; then
    echo "error: $proxy_variable is no address of a proxy that Node can read; write it as http://user:password@host:port, with special characters of the password percent-encoded, such as %2F for / and %25 for %" >&2
    exit 1
  fi
done

ca_file=${AUDIT_CA_FILE:-}
if [ -z "$ca_file" ] && [ -f "Pulumi.${AUDIT_STACK:-vm2}.yaml" ]; then
  # As YAML says: within quotes all of it, otherwise up to a # after a blank. The key may be in quotes, too.
  ca_file=$(tr -d '\r' < "Pulumi.${AUDIT_STACK:-vm2}.yaml" | sed -n "/^ *[\"']\{0,1\}audit:caFile[\"']\{0,1\} *:/{
    s/^[^:]*:[^:]*:[[:blank:]]*//
    /^\"/{
      s/^\"\([^\"]*\)\".*/\1/p
      d
    }
    /^'/{
      s/^'\([^']*\)'.*/\1/p
      d
    }
    s/^#.*//
    s/[[:blank:]]#.*//
    s/[[:blank:]]*$//
    p
  }")
fi
if [ -n "$ca_file" ]; then
  case $ca_file in /*) ;; *) ca_file=$PWD/$ca_file ;; esac
  if ! [ -r "$ca_file" ]; then
    echo "error: $ca_file cannot be read; set AUDIT_CA_FILE, or audit:caFile of the stack, to a PEM file with your authorities" >&2
    exit 1
  fi
  # The other three variables replace the public authorities, so they name a file with both.
  authorities=$(mktemp)
  # apt fetches as a user of its own.
  chmod a+r "$authorities"
  { node -p 'require("node:tls").rootCertificates.join("\n")' && cat "$ca_file"; } > "$authorities"
  export NODE_EXTRA_CA_CERTS="$ca_file" SSL_CERT_FILE="$authorities" CURL_CA_BUNDLE="$authorities" GIT_SSL_CAINFO="$authorities"
fi
