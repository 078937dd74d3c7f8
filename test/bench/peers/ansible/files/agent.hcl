# It has nobody to log in as: what is compared is a run that finds it there.
vault {
  address = "http://vault.sandbox.test:8200"
}

listener "tcp" {
  address     = "127.0.0.1:8100"
  tls_disable = true
}

cache {}
