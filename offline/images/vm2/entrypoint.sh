#!/bin/bash
# Plays init on VM2: keeps sshd and dockerd running, and starts clean after the container was killed or restarted.
#
# Mounts: /etc/vm2/authorized_keys (file, who may log in as deploy), /etc/vm2/ssh (volume, this host's own key),
# /etc/docker/daemon.json (file, optional), /var/lib/docker (volume, must be no overlay file system).
# Under cgroup v1, and v2 without a namespace of its own, mount /sys/fs/cgroup read-write.
set -euo pipefail

log() { echo "vm2: $*"; }

# Left over from a run that was killed: dockerd and containerd refuse to start over them.
rm -rf /run/docker.pid /var/run/docker.pid /run/docker.sock /run/docker /run/containerd /run/sshd.pid
mkdir -p /run/sshd /run/vm2 /etc/vm2/ssh
chmod 755 /run/sshd /run/vm2

# cgroup v2 refuses controllers to children while processes sit in the root of the (namespaced) tree.
if [ -f /sys/fs/cgroup/cgroup.controllers ] && [ -w /sys/fs/cgroup/cgroup.subtree_control ]; then
  if mkdir -p /sys/fs/cgroup/init 2>/dev/null; then
    while read -r pid; do echo "$pid" > /sys/fs/cgroup/init/cgroup.procs 2>/dev/null || true; done < /sys/fs/cgroup/cgroup.procs
    sed -e 's/ / +/g' -e 's/^/+/' < /sys/fs/cgroup/cgroup.controllers > /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true
  fi
fi
mount --make-rshared / 2>/dev/null || true

if [ ! -s /etc/vm2/ssh/ssh_host_ed25519_key ]; then
  log "making this host's ssh key"
  ssh-keygen -q -t ed25519 -N '' -C vm2 -f /etc/vm2/ssh/ssh_host_ed25519_key
fi
chmod 600 /etc/vm2/ssh/ssh_host_ed25519_key

# A copy, because sshd's owner and mode rules would depend on the mounted file's.
if [ -f /etc/vm2/authorized_keys ]; then
  install -o root -g root -m 644 /etc/vm2/authorized_keys /run/vm2/authorized_keys
else
  log "no /etc/vm2/authorized_keys is mounted: nobody can log in"
  : > /run/vm2/authorized_keys
fi

stopping=
dockerd_pid=
sshd_pid=

stop() {
  stopping=yes
  log "stopping"
  if [ -n "$sshd_pid" ]; then kill "$sshd_pid" 2>/dev/null || true; fi
  # dockerd stops its containers, each within its own time limit.
  if [ -n "$dockerd_pid" ]; then kill "$dockerd_pid" 2>/dev/null || true; fi
}
trap stop TERM INT

# dockerd stops what it finds running when it starts, and counts that as stopped by hand: `unless-stopped` would not bring
# it back. So after a crash the containers are ended first, as by a power cut; with live-restore they stay.
end_leftovers() {
  if grep -Eqs '"live-restore" *: *true' /etc/docker/daemon.json; then return; fi
  pkill -KILL -x containerd || true
  for shim in $(pgrep -f containerd-shim); do
    pkill -KILL -P "$shim" || true
    kill -KILL "$shim" 2>/dev/null || true
  done
  # Network namespaces are mounted below it.
  umount -l /run/docker/netns/* 2>/dev/null || true
  rm -rf /run/docker /run/containerd || true
}

start_dockerd() {
  rm -f /run/docker.pid /var/run/docker.pid
  dockerd "$@" &
  dockerd_pid=$!
}
start_sshd() {
  /usr/sbin/sshd -D -e &
  sshd_pid=$!
}

start_dockerd "$@"
start_sshd

# A poor man's systemd: what dies comes back, not faster than once a second.
while [ -z "$stopping" ]; do
  wait -n "$dockerd_pid" "$sshd_pid" || true
  [ -z "$stopping" ] || break
  sleep 1
  if ! kill -0 "$dockerd_pid" 2>/dev/null; then
    log "dockerd has ended; starting it again"
    end_leftovers
    start_dockerd "$@"
  fi
  if ! kill -0 "$sshd_pid" 2>/dev/null; then
    log "sshd has ended; starting it again"
    start_sshd
  fi
done
wait "$dockerd_pid" 2>/dev/null || true
wait "$dockerd_pid" 2>/dev/null || true
log "stopped"
