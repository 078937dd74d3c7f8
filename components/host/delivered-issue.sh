#!/bin/sh
# Prints, on the VM, which issue of the secret_id is in an agent's volume; nothing if there is none or the agent does
# not run.
#
# Arguments: CONTAINER
# Exit codes: 0
docker exec "$1" cat /credentials/issue 2> /dev/null || :
