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
{{#appRole}}
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
{{/appRole}}
{{#kubernetes}}
  method "kubernetes" {
    mount_path  = "auth/{{mount}}"
    # Longest pause between attempts to log in or to read a secret; the default is five minutes.
    max_backoff = "10s"
    config = {
      role       = "{{role}}"
      # The cluster replaces the token in it before it ends.
      token_path = "{{tokenFile}}"
    }
  }
{{/kubernetes}}
}
{{#listener}}
{{! Not in a pod, whose containers share their loopback. }}

# Scripts in the container ask Vault about the agent's token through this, so that the token is in no file or argument.
api_proxy {
  use_auto_auth_token = true
}

listener "tcp" {
  address                = "{{.}}"
  tls_disable            = true
  require_request_header = true
}
{{/listener}}
{{#metricsPort}}

# For Prometheus. Of all that an agent can serve, a listener of this role serves GET /agent/v1/metrics alone: whoever reaches it gets no
# token, and has nothing forwarded to Vault.
listener "tcp" {
  address     = "0.0.0.0:{{.}}"
  role        = "metrics_only"
  tls_disable = true
}

telemetry {
  # What is not set again within this time is no longer served, and whether the agent is logged in is set only when it logs in, fails to, or
  # renews its token: every 40 minutes or so.
  prometheus_retention_time = "24h"
  # Otherwise the pod's name would be a part of the metrics' names.
  disable_hostname          = true
}
{{/metricsPort}}
