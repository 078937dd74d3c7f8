#!/bin/sh
# Prepares the VM for the deploys, and Prometheus's host as well: a login that may use Docker and logs in by certificates
# that Vault signs, valid for minutes, and all that the certificates of the job drift may run. As root, after
# bootstrap/vault.ts, with docker-read.sh in the same directory; if a company's own authority has signed certificates,
# its certificate as well, as ca.pem. It may be repeated.
#
# Arguments: USER VAULT_ADDRESS [VAULT_NAMESPACE]
# Environment: REGISTRY  the one that images are pulled from, host or host:port: Docker then trusts ca.pem for it
# Exit codes: 0 done; 1 one step failed, and said why; 2 an argument is missing
set -eu
[ $# -ge 2 ] || { echo "usage: vm.sh USER VAULT_ADDRESS [VAULT_NAMESPACE]" >&2; exit 2; }
user=$1
key=${2%/}/v1/${3:+$3/}ssh/public_key
cd "$(dirname "$0")"

# No password fits '*'; without one, an sshd without PAM takes the login for locked.
id "$user" > /dev/null 2>&1 || useradd --create-home --password '*' "$user"
if getent group docker > /dev/null; then usermod --append --groups docker "$user"; fi

# Puts Vault's key into place, and nothing else that answers there, such as the page of a proxy.
fetch() {
  found=$(curl --fail --silent --show-error --location "$@" "$key") || return 1
  case "$found" in
    ssh-* | ecdsa-*) printf '%s\n' "$found" > /etc/ssh/vault-ca.pub ;;
    *) return 1 ;;
  esac
}
authority=
if [ -f ca.pem ]; then
  authority=ca.pem
  if [ -n "${REGISTRY:-}" ] && getent group docker > /dev/null; then
    mkdir -p "/etc/docker/certs.d/$REGISTRY"
    install -m 644 ca.pem "/etc/docker/certs.d/$REGISTRY/ca.crt"
  fi
fi
# By the authorities that this machine knows, or by ca.pem.
{ [ -n "$authority" ] && fetch --cacert "$authority" 2> /dev/null; } || fetch || {
  echo "error: $key does not give the key; has bootstrap/vault.ts been run, and does this machine, or ca.pem beside this script, trust Vault's certificate?" >&2
  exit 1
}
mkdir -p /etc/ssh/sshd_config.d
echo 'TrustedUserCAKeys /etc/ssh/vault-ca.pub' > /etc/ssh/sshd_config.d/vault.conf
sshd=$(command -v sshd || echo /usr/sbin/sshd)
if ! "$sshd" -T | grep -qx 'trustedusercakeys /etc/ssh/vault-ca.pub'; then
  echo "error: sshd does not read /etc/ssh/sshd_config.d/vault.conf; begin /etc/ssh/sshd_config with: Include /etc/ssh/sshd_config.d/*.conf" >&2
  exit 1
fi
# Debian's name of it, and that of others.
systemctl reload ssh 2> /dev/null || systemctl reload sshd

install -m 755 docker-read.sh /usr/local/bin/audit-docker-read
echo "$user logs in here by certificates of $2"
