{{! The agent that renders the service's configuration. }}
{{> base.hcl}}

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
