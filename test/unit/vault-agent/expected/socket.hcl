
# Through this the service signs the checkpoints of its log, without having the agent's token.
listener "unix" {
  address                = "/run/audit/vault.sock"
  socket_mode            = "0660"
  socket_user            = "100"
  socket_group           = "10001"
  tls_disable            = true
  require_request_header = true
}
