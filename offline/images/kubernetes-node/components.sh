#!/bin/bash
# The components of a node, and of the control plane on the node that has it. Sourced by entrypoint.sh, which has the variables.
#
# Certificates under pki/, each with its .key:
#   every node     ca (no key), kubelet, kubelet-server, kube-proxy, kube-router
#   control plane  apiserver, apiserver-kubelet, apiserver-etcd, etcd, etcd-ca (no key), controller-manager, scheduler,
#                  service-accounts.key and .pub, and encryption.yaml
pki=/etc/kubernetes/pki

control_plane() {
  kubeconfig controller-manager
  kubeconfig scheduler
  # On this node's loopback, and by an authority of its own: a kubelet's certificate opens no door here.
  keep etcd --name "$NODE_NAME" --data-dir /var/lib/etcd --log-level warn \
    --listen-client-urls https://127.0.0.1:2379 --advertise-client-urls https://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --enable-grpc-gateway=false \
    --cert-file $pki/etcd.pem --key-file $pki/etcd.key --client-cert-auth --trusted-ca-file $pki/etcd-ca.pem
  keep kube-apiserver --advertise-address "$NODE_IP" --secure-port 6443 \
    --etcd-servers https://127.0.0.1:2379 --etcd-cafile $pki/etcd-ca.pem \
    --etcd-certfile $pki/apiserver-etcd.pem --etcd-keyfile $pki/apiserver-etcd.key \
    --tls-cert-file $pki/apiserver.pem --tls-private-key-file $pki/apiserver.key --client-ca-file $pki/ca.pem \
    --kubelet-client-certificate $pki/apiserver-kubelet.pem --kubelet-client-key $pki/apiserver-kubelet.key \
    --kubelet-certificate-authority $pki/ca.pem --kubelet-preferred-address-types InternalIP \
    --service-account-issuer https://kubernetes.default.svc.cluster.local \
    --service-account-key-file $pki/service-accounts.pub \
    --service-account-signing-key-file $pki/service-accounts.key \
    --encryption-provider-config $pki/encryption.yaml \
    --anonymous-auth=false --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
    --service-cluster-ip-range 10.96.0.0/16 --profiling=false
  keep kube-controller-manager --kubeconfig /etc/kubernetes/controller-manager.kubeconfig \
    --bind-address 127.0.0.1 --leader-elect=false --use-service-account-credentials \
    --service-account-private-key-file $pki/service-accounts.key --root-ca-file $pki/ca.pem \
    --allocate-node-cidrs=false --profiling=false
  keep kube-scheduler --kubeconfig /etc/kubernetes/scheduler.kubeconfig \
    --bind-address 127.0.0.1 --leader-elect=false --profiling=false
}

load_images() {
  until ctr version > /dev/null 2>&1; do sleep 0.2; done
  for image in /usr/local/share/images/*.tar; do ctr --namespace k8s.io images import --local "$image" > /dev/null; done
}

keep containerd
if [ "$ROLE" = control-plane ]; then control_plane; fi
kubeconfig kubelet
kubeconfig kube-proxy
kubeconfig kube-router
load_images
keep kubelet --config /etc/kubernetes/kubelet.yaml --kubeconfig /etc/kubernetes/kubelet.kubeconfig \
  --hostname-override "$NODE_NAME" --node-ip "$NODE_IP"
keep kube-proxy --config /etc/kubernetes/kube-proxy.yaml
keep kube-router --run-firewall=true --run-router=false --run-service-proxy=false --enable-cni=false \
  --kubeconfig /etc/kubernetes/kube-router.kubeconfig --hostname-override "$NODE_NAME" \
  --service-cluster-ip-range 10.96.0.0/16 --health-port 0 --metrics-port 0
