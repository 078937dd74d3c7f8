# The sandbox's Vault: a real server, not dev mode, so that it keeps its data over a restart and has to be unsealed.
ui            = true
disable_mlock = true
api_addr      = "http://vault.sandbox.test:8200"
cluster_addr  = "http://vault.sandbox.test:8201"

storage "raft" {
  path    = "/vault/file"
  node_id = "sandbox"
}

listener "tcp" {
  address     = "0.0.0.0:8200"
  tls_disable = true
}
