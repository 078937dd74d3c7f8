{{! The part of an agent's configuration that says where Vault is and how to log in. }}
# Written by the program; changes made here are overwritten by the next deploy.
vault {
  address = "{{vaultAddress}}"
{{#namespace}}
  namespace = "{{.}}"
{{/namespace}}
{{#caFile}}
  ca_cert = "{{.}}"
{{/caFile}}
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
      role_id_file_path                   = "{{roleIdFile}}"
      secret_id_file_path                 = "{{secretIdFile}}"
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
  address                = "{{listener}}"
  tls_disable            = true
  require_request_header = true
}
