{{! The agent that renews the edge's certificate. Both templates read the same secret, which an agent fetches once for all of its }}
{{! templates, so they always match. It fetches a new certificate when most of the current one's lifetime is over. }}
{{> base.hcl}}

template_config {
  exit_on_retry_failure = false
}

{{#templates}}
template {
  source               = "{{source}}"
  destination          = "{{destination}}"
  perms                = "0440"
  error_on_missing_key = false
}

{{/templates}}
{{> log.hcl}}
