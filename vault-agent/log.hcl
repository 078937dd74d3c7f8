{{! At a lower level each look-up of the token logs three lines; successes are in the metrics. }}
log_format = "json"
log_level  = "warn"
