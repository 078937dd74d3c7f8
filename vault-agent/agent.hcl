{{! The agent that renders the service's configuration. }}
{{> base.hcl}}
{{#socket}}
{{^listener}}

api_proxy {
  use_auto_auth_token = true
}
{{/listener}}

# Through this the service signs the checkpoints of its log, without having the agent's token.
listener "unix" {
  address                = "{{path}}"
{{! Vault heeds the mode only if all three are given. }}
  socket_mode            = "0660"
  socket_user            = "{{user}}"
  socket_group           = "{{group}}"
  tls_disable            = true
  require_request_header = true
}
{{/socket}}

template_config {
  # KV secrets have no lease; this is how often they are read again (default 5 minutes).
  static_secret_render_interval = "{{renderInterval}}s"
  exit_on_retry_failure         = false
}

template {
  source               = "{{templateFile}}"
  destination          = "{{configFile}}"
  perms                = "0440"
  error_on_missing_key = true
{{#reloadCommand}}
  exec {
    command = ["/bin/sh", "{{.}}"]
    timeout = "{{reloadTimeout}}s"
  }
{{/reloadCommand}}
}

{{> log.hcl}}
