{{! Each question about the token would be three lines of a lower level; what an agent does well is in its metrics. }}
log_format = "json"
log_level  = "warn"
