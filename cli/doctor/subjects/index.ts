import type { Values } from "../../../config";
import type { Subject } from "../check";
import { certificates } from "./certificates";
import { clocks, clocksOfServers } from "./clocks";
import { cluster } from "./cluster";
import { imagesOfCluster } from "./cluster-images";
import { database } from "./database";
import { gitlab } from "./gitlab";
import { grafana } from "./grafana";
import { images } from "./images";
import { networks } from "./networks";
import { prometheus } from "./prometheus";
import { stack } from "./stack";
import { vault, vaultOfCluster } from "./vault";
import { vm } from "./vm";

const MONITORING = [prometheus, grafana, gitlab];

/** Every check of a stack by where it runs, in the order of the answer. */
export const SUBJECTS: Readonly<Record<Values["platform"], readonly Subject[]>> = {
  vm: [stack, vm, networks, images, database, vault, certificates, ...MONITORING, clocks],
  kubernetes: [stack, cluster, imagesOfCluster, database, vaultOfCluster, certificates, ...MONITORING, clocksOfServers],
};
