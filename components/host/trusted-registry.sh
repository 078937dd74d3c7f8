#!/bin/sh
# Fails if the Docker Engine of this host does not trust the certificate of an image's registry. The engine has its own
# trust store, and the plugin's error does not say where. Any other failure is left to the plugin, which has the login.
#
# Arguments: REFERENCE of the image, with its registry.
# Exit codes: 0 it does, or the pull failed for another reason; 1 it does not, with the cure on standard error.
set -u

registry=${1%%/*}
docker image inspect "$1" > /dev/null 2>&1 && exit 0
output=$(docker pull --quiet "$1" 2>&1) && exit 0
case "$output" in
  *x509:*)
    cure="Put the authority that signed it, in PEM format, into /etc/docker/certs.d/$registry/ca.crt there"
    # For Docker Hub, which has several hosts, the engine asks the machine's own store alone.
    [ "$registry" != docker.io ] ||
      cure="Add the authority that signed it to the machine's own (update-ca-certificates), restart Docker"
    echo "The Docker Engine of this host does not trust the certificate of $registry: $output $cure, and deploy again." >&2
    exit 1
    ;;
esac
