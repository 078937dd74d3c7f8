#!/bin/sh
# A new release by Swarm: `service update`, start-first. Variables: IMAGE, NGINX, DIRECTORY, ADDRESS (of the VM), DOCKER_HOST.
set -eu
if [ "$(docker info --format '{{.Swarm.LocalNodeState}}')" != active ]; then
  docker swarm init --advertise-addr "$ADDRESS" > /dev/null
  docker network create --driver overlay --attachable peer-swarm > /dev/null
fi
docker pull --quiet "$IMAGE" > /dev/null
docker run --rm --network peer-swarm --volume "$DIRECTORY/migrate:/run/audit:ro" "$IMAGE" migrate > /dev/null
if docker service inspect peer-audit > /dev/null 2>&1; then
  docker service update --quiet --image "$IMAGE" peer-audit > /dev/null
  exit
fi
docker service create --quiet --name peer-audit --replicas 2 --network peer-swarm --endpoint-mode dnsrr \
  --update-order start-first --update-parallelism 1 --update-delay 0s --update-monitor 2s --update-failure-action rollback \
  --health-cmd "node /app/main.js health" --health-interval 2s --health-start-period 30s --health-start-interval 500ms --health-retries 3 \
  --read-only --cap-drop ALL --user 10001:10001 --init --limit-memory 256m --stop-grace-period 40s \
  --log-driver json-file --log-opt max-size=10m --log-opt max-file=2 \
  --mount type=volume,source=audit-svc-rendered,target=/run/audit,readonly \
  --mount type=tmpfs,target=/tmp,tmpfs-size=16777216 \
  "$IMAGE" > /dev/null
docker run --detach --name peer-nginx --network peer-swarm --publish 8480:8080 --restart unless-stopped --init \
  --read-only --cap-drop ALL --security-opt no-new-privileges --user 101:101 --memory 64m --memory-swap 64m \
  --volume "$DIRECTORY/swarm.conf:/etc/nginx/nginx.conf:ro" \
  --tmpfs /tmp:size=16m,mode=1777 --entrypoint nginx "$NGINX" -g "daemon off;" > /dev/null
