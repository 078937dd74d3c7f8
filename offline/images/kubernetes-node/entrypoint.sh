#!/bin/bash
# Plays init on a node of the sandbox's cluster: prepares the container, then keeps the node's components running.
#
# Environment:
#   NODE_NAME   the node's name in the cluster
#   NODE_IP     its address on the platform network
#   POD_CIDR    the range of its pods
#   PEERS       the other nodes, as "range=address …"
#   API_SERVER  address of the API, https://host:port
#   ROLE        "control-plane" or "worker"
# Mounts: /etc/kubernetes/pki (certificates; which ones, see components.sh), /var (volume).
# Under cgroup v1, and v2 without a namespace of its own, mount /sys/fs/cgroup read-write.
set -euo pipefail

log() { echo "node: $*"; }

mount --make-rshared /
mount -o remount,rw /sys 2>/dev/null || true
# The kubelet looks for messages of the kernel's OOM killer; there are none to be seen from here.
[ -e /dev/kmsg ] || touch /dev/kmsg
sysctl -qw net.ipv4.ip_forward=1
# Without it packets between pods of one node pass the bridge unseen by iptables, and so by NetworkPolicies.
sysctl -qw net.bridge.bridge-nf-call-iptables=1 || log "packets between pods of this node are not filtered"

# The node's own branch of the cgroups: it ends with the container.
prepare_cgroups() {
  local own
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    own=$(sed -n 's/^0:://p' /proc/self/cgroup)
    [ "$own" != / ] || own=
    # cgroup v2 refuses controllers to children while processes sit beside them.
    mkdir -p "/sys/fs/cgroup$own/init" "/sys/fs/cgroup$own/node"
    while read -r pid; do
      echo "$pid" > "/sys/fs/cgroup$own/init/cgroup.procs" 2>/dev/null || true
    done < "/sys/fs/cgroup$own/cgroup.procs"
    for dir in "/sys/fs/cgroup$own" "/sys/fs/cgroup$own/node"; do
      sed -e 's/ / +/g' -e 's/^/+/' < "$dir/cgroup.controllers" > "$dir/cgroup.subtree_control"
    done
  else
    own=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
    for controller in /sys/fs/cgroup/*/; do
      mkdir -p "$controller$own/node" 2>/dev/null || true
    done
  fi
  CGROUP_ROOT=$own/node
}
prepare_cgroups

fill() {
  sed -e "s|@NODE_NAME@|$NODE_NAME|g" -e "s|@POD_CIDR@|$POD_CIDR|g" -e "s|@CGROUP_ROOT@|$CGROUP_ROOT|g" \
    -e "s|@MTU@|$(cat /sys/class/net/eth0/mtu)|g" "/usr/local/share/node/$1" > "$2"
}
mkdir -p /etc/cni/net.d /etc/kubernetes /var/lib/kubelet
fill network.conflist /etc/cni/net.d/10-pods.conflist
fill kubelet.yaml /etc/kubernetes/kubelet.yaml
fill kube-proxy.yaml /etc/kubernetes/kube-proxy.yaml
grep '^nameserver' /etc/resolv.conf > /etc/kubernetes/resolv.conf

# kubeconfig USER: for a component that logs in by the certificate pki/USER.pem.
kubeconfig() {
  cat > "/etc/kubernetes/$1.kubeconfig" <<END
apiVersion: v1
kind: Config
clusters:
  - name: sandbox
    cluster: { server: "$API_SERVER", certificate-authority: /etc/kubernetes/pki/ca.pem }
users:
  - name: $1
    user: { client-certificate: /etc/kubernetes/pki/$1.pem, client-key: /etc/kubernetes/pki/$1.key }
contexts:
  - name: $1
    context: { cluster: sandbox, user: $1 }
current-context: $1
END
}

# The nodes are neighbours on one network, so a route to each is all that pods need.
for peer in $PEERS; do ip route replace "${peer%=*}" via "${peer#*=}"; done
# What leaves the cluster has the node's address; within it pods see each other's, or NetworkPolicies could not tell them apart.
leaving=(POSTROUTING -s 10.244.0.0/16 ! -d 10.244.0.0/16 -j MASQUERADE)
iptables -w -t nat -C "${leaving[@]}" 2>/dev/null || iptables -w -t nat -A "${leaving[@]}"

# A poor man's systemd: what ends is started again a second later.
keep() {
  while :; do
    "$@" || log "$1 ended with $?; starting it again"
    sleep 1
  done &
}

# shellcheck source=components.sh
. /usr/local/sbin/components.sh
# etcd gets the time to end well; what pods run ends with this container.
trap 'log stopping; trap "" TERM; kill 0; wait; exit 0' TERM INT
wait
