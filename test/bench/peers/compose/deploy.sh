#!/bin/sh
# A new release by Docker Compose: one replica after the other. Variables: IMAGE, NGINX, DIRECTORY, DOCKER_HOST.
set -eu
compose() { docker compose --progress quiet -f /peers/compose/compose.yml "$@"; }
compose pull --quiet --policy missing audit-1
compose run --rm migrate > /dev/null
compose up --detach --wait --no-deps audit-1
compose up --detach --wait --no-deps audit-2
compose up --detach --wait nginx
