# Written by the program; changes made here are overwritten by the next deploy.
vault {
  address = "https://vault.example.test:8200"
  retry {
    num_retries = -1
  }
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "/credentials/role_id"
      secret_id_file_path                 = "/credentials/secret_id"
      # The default removes the file, and an agent that restarts could not log in again.
      remove_secret_id_file_after_reading = false
    }
  }
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
