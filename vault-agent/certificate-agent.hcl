{{! The agent that keeps the edge's certificate. Both templates ask for the same secret, which an agent fetches once for all of its }}
{{! templates, so they always speak of the same certificate. It asks for a new one when most of the certificate's life is over. }}
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
