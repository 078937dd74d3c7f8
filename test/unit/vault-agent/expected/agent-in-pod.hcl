# Written by the program; changes made here are overwritten by the next deploy.
vault {
  address = "https://vault.internal.test:8200"
  retry {
    # Practically forever. -1 would mean never: then every failure restarts all templates, after a pause that only grows.
    num_retries = 1000000
  }
}

auto_auth {
  method "kubernetes" {
    mount_path  = "auth/k8s"
    # Longest pause between attempts to log in or to read a secret; the default is five minutes.
    max_backoff = "10s"
    config = {
      role       = "audit-svc-cluster"
      # The cluster replaces the token in it before it ends.
      token_path = "/run/vault/token"
    }
  }
}

# For Prometheus. Of all that an agent can serve, a listener of this role serves GET /agent/v1/metrics alone: whoever reaches it gets no
# token, and has nothing forwarded to Vault.
listener "tcp" {
  address     = "0.0.0.0:9102"
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

template_config {
  # KV secrets have no lease; this is how often they are read again (default 5 minutes).
  static_secret_render_interval = "5s"
  exit_on_retry_failure         = false
}

template {
  source               = "/agent/config.ctmpl"
  destination          = "/run/audit/config.json"
  perms                = "0440"
  error_on_missing_key = true
  exec {
    command = ["/bin/sh", "/agent/reload.sh"]
    timeout = "35s"
  }
}

log_format = "json"
log_level  = "warn"
