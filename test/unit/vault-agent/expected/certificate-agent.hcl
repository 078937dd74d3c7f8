# Written by the program; changes made here are overwritten by the next deploy.
vault {
  address = "https://vault.example.test:8200"
  namespace = "a \"team\""
  ca_cert = "/agent/ca.pem"
  retry {
    # Practically forever. -1 would mean never: then every failure restarts all templates, after a pause that only grows.
    num_retries = 1000000
  }
}

auto_auth {
  method "approle" {
    # Longest pause between attempts to log in or to read a secret; the default is five minutes.
    max_backoff = "10s"
    config = {
      role_id_file_path                   = "/credentials/role_id"
      secret_id_file_path                 = "/credentials/secret_id"
      # The default removes the file, and an agent that restarts could not log in again.
      remove_secret_id_file_after_reading = false
    }
  }
}

# Scripts in the container ask Vault about the agent's token through this, so that the token is in no file or argument.
api_proxy {
  use_auto_auth_token = true
}

listener "tcp" {
  address                = "127.0.0.1:8100"
  tls_disable            = true
  require_request_header = true
}

template_config {
  exit_on_retry_failure = false
}

template {
  source               = "/agent/certificate.ctmpl"
  destination          = "/run/tls/edge.pem"
  perms                = "0440"
  error_on_missing_key = false
}

template {
  source               = "/agent/metrics.ctmpl"
  destination          = "/run/tls/certificate.prom"
  perms                = "0440"
  error_on_missing_key = false
}

log_format = "json"
log_level  = "warn"
