import type { Subject } from "../check";
import { certificates } from "./certificates";
import { clocks } from "./clocks";
import { database } from "./database";
import { gitlab } from "./gitlab";
import { grafana } from "./grafana";
import { images } from "./images";
import { networks } from "./networks";
import { prometheus } from "./prometheus";
import { stack } from "./stack";
import { vault } from "./vault";
import { vm } from "./vm";

/** Every check, in the order of the answer. */
export const SUBJECTS: readonly Subject[] = [
  ...[stack, vm, networks, images, database, vault, certificates, prometheus, grafana, gitlab, clocks],
];
