# What the program (`pulumi up`) may do in Vault, and no more. A real installation gives its pipeline the same.
# It writes policies and AppRole roles whose names begin with "audit": whoever may write a policy may grant with it, so
# this token is as valuable as what such a policy can reach. Keep it to protected pipelines.

# The service's secrets.
path "secret/data/audit-svc/*" {
  capabilities = ["create", "read", "update", "delete"]
}
path "secret/metadata/audit-svc/*" {
  capabilities = ["create", "read", "update", "delete", "list"]
}
path "secret/delete/audit-svc/*" {
  capabilities = ["update"]
}
path "secret/undelete/audit-svc/*" {
  capabilities = ["update"]
}
path "secret/destroy/audit-svc/*" {
  capabilities = ["update"]
}

# A policy and an AppRole role for the Vault Agent beside the service.
path "sys/policies/acl/audit*" {
  capabilities = ["create", "read", "update", "delete"]
}
path "auth/approle/role/audit*" {
  capabilities = ["create", "read", "update", "delete"]
}

# Reads which mounts there are; the plugin looks a mount up before it writes to it.
path "sys/mounts" {
  capabilities = ["read"]
}
path "sys/mounts/secret" {
  capabilities = ["read"]
}
path "sys/auth" {
  capabilities = ["read"]
}

# The plugin works with a child token of its own, which cannot do more than this one.
path "auth/token/create" {
  capabilities = ["update"]
}

# Encrypts the secrets in the stack's state.
path "transit/encrypt/pulumi-sandbox" {
  capabilities = ["update"]
}
path "transit/decrypt/pulumi-sandbox" {
  capabilities = ["update"]
}
