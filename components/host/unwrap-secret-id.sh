#!/bin/sh
# Unwraps a secret_id and stores it for one user, with the role_id, the name of the issue, and its expiry. Runs in a
# one-shot container. The token goes through a file in memory, because other users of the machine can read arguments and
# environment. A wrapping token that did not come from this role's secret-id endpoint, or was used already, is a sign of
# interception.
#
# Arguments: DIRECTORY USER CREATION_PATH NAMESPACE: where the files go, the numeric user who reads them, the path at which the secret_id
#   is issued, and Vault's namespace or nothing; some versions prefix the path with it.
# Environment: as for the vault CLI; HOME, a directory in memory.
# Standard input: each on a line, the role_id, the name of the issue, the wrapping token.
# Exit codes: 0 the files are in place; otherwise the former files are unchanged.
set -eu
umask 077

directory=$1
user=$2
creation_path=$3
namespace=$4
read -r role_id
read -r issue
read -r token
work=$(mktemp -d)

alarm() {
  echo "ALARM: $1 The secret_id may be known to somebody else: find out who held the wrapping token, then deploy again." >&2
  exit 1
}

# Ends because of what Vault's CLI said. That the token is not valid raises the alarm $1; anything else, such as no way to
# Vault, is no sign of interception.
refused() {
  if grep -q 'wrapping token is not valid or does not exist' "$work/error"; then alarm "$1"; fi
  echo "Vault at $VAULT_ADDR gives no answer to this machine's containers: $(grep . "$work/error" | tail -n 1)" >&2
  exit 1
}

made=$(printf %s "$token" | vault write -field=creation_path sys/wrapping/lookup token=- 2> "$work/error") ||
  refused "the wrapping token was already used or has expired."
made=${made#"$namespace"/}
[ "$made" = "$creation_path" ] || alarm "the wrapping token was made by $made and not by $creation_path."
printf %s "$token" > "$HOME/.vault-token"
vault unwrap -format=json > "$work/unwrapped" 2> "$work/error" ||
  refused "the wrapping token was used between look-up and unwrapping."

# The field $1 of the answer.
field() {
  sed -n 's/.*"'"$1"'": "\{0,1\}\([^",]*\).*/\1/p' "$work/unwrapped"
}
printf %s "$(field secret_id)" > "$work/secret_id"
[ -s "$work/secret_id" ]
printf %s "$role_id" > "$work/role_id"
printf %s "$issue" > "$work/issue"
life=$(field secret_id_ttl)
if [ "$life" = 0 ]; then echo +Inf; else echo "$(($(date +%s) + life))"; fi > "$work/expiry"

for file in role_id secret_id expiry issue; do
  cp "$work/$file" "$directory/.$file"
  chmod 0400 "$directory/.$file"
  chown "$user" "$directory/.$file"
  mv -f "$directory/.$file" "$directory/$file"
done
chown "$user" "$directory"
chmod 0500 "$directory"
