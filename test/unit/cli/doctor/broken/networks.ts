import { host, set, notPulled, image, type Broken } from "./broken";
import { reply } from "../world";

export const networks: Record<string, readonly Broken[]> = {
  "networks-subnets": [
    {
      what: "another network has one",
      change: set("engine", {
        "/networks": reply([{ Name: "other", IPAM: { Config: [{ Subnet: "172.29.0.0/16" }] } }]),
      }),
      found: /other has 172\.29\.0\.0\/16/,
      cure: /audit:networkPrefix/,
    },
  ],
  "networks-routes": [
    {
      what: "the VM has a route there",
      change: host({ routes: [{ device: "eth1", range: "172.29.96.0/22" }] }),
      found: /172\.29\.96\.0\/22 by eth1/,
      cure: /audit:networkPrefix/,
    },
  ],
  "networks-pools": [
    {
      what: "the network uses Docker's pools",
      change: host({ routes: [{ device: "eth0", range: "192.168.7.0/24" }] }),
      level: "warning",
      found: /192\.168\.7\.0\/24/,
      cure: /10\.20\.4\.0\/22/,
    },
  ],
  "networks-mtu": [
    {
      what: "the interface has a smaller one",
      change: host({ uplink: { name: "eth0", mtu: 1450 } }),
      found: /1450.*1500.*lost/,
      cure: /audit:networkMtu to 1450/,
    },
  ],
  "images-image": image("image"),
  "images-edgeImage": [
    ...image("edgeImage"),
    {
      what: "it has no digest yet",
      settings: { "audit:edgeImage": `hub.example.test/nginx@sha256:${"0".repeat(64)}` },
      found: /no digest yet/,
      cure: /audit init/,
    },
  ],
  "images-exporterImage": image("exporterImage"),
  "images-vaultImage": [
    ...image("vaultImage"),
    {
      what: "the certificate is unknown",
      change: notPulled("x509: certificate signed by unknown authority"),
      found: /x509/,
      cure: /certs\.d\/harbor\.example\.test:8443\/ca\.crt/,
    },
    { what: "it is there, and the registry is not", change: (all) => { notPulled("no such host")(all); set("engine", { "/images/*": reply({}) })(all); }, level: "warning", found: /could not pull it again/, cure: /new VM/ }, // prettier-ignore
  ],
  "images-platform": [
    {
      what: "the VM has another processor",
      change: set("engine", { "/version": reply({ Version: "28.0.0", Arch: "arm64" }) }),
      found: /built for amd64, and the VM is arm64/,
      cure: /build it/,
    },
  ],
};
