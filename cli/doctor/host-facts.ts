import type { HostFacts } from "./access";

/** Docker makes these, for networks that are looked at by themselves. */
const OF_DOCKER = /^(docker\d+|br-[0-9a-f]{12}|veth.*)$/;

/** Reads what host-facts.sh printed. */
export function readFacts(text: string): HostFacts {
  const lines = text.split("\n").map((line) => line.trim().split(" "));
  const of = (kind: string): string[][] => lines.filter(([first]) => first === kind).map((words) => words.slice(1));
  const [diskPath, free, total] = of("disk")[0] ?? [];
  const [uplink, mtu] = of("mtu")[0] ?? [];
  return {
    clock: Number(of("clock")[0]?.[0]),
    disk: diskPath === undefined ? undefined : { path: diskPath, freeKiB: Number(free), totalKiB: Number(total) },
    memoryKiB: Number(of("memory")[0]?.[0] ?? 0),
    uplink: uplink === undefined ? undefined : { name: uplink, mtu: Number(mtu) },
    routes: of("route")
      .filter(([device = ""]) => !OF_DOCKER.test(device))
      .map(([device = "", target = "", mask = ""]) => ({ device, range: `${dotted(target)}/${ones(mask)}` })),
    listening: [...new Set(of("listen").map(([port = ""]) => Number.parseInt(port, 16)))].sort((a, b) => a - b),
    reaches: Object.fromEntries(
      of("reach").map(([host = "", port = "", answer]) => [
        `${host} ${port}`,
        answer === "yes" || answer === "no" ? answer : "unknown",
      ]),
    ),
  };
}

const bytes = (hex: string): number[] => (hex.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16)).reverse();
const dotted = (hex: string): string => bytes(hex).join(".");
const ones = (hex: string): number =>
  bytes(hex)
    .map((byte) => byte.toString(2).replaceAll("0", "").length)
    .reduce((sum, count) => sum + count, 0);

/** Whether two IPv4 ranges share addresses. */
export function overlap(one: string, other: string): boolean {
  const [a, b] = [range(one), range(other)];
  const bits = Math.min(a.bits, b.bits);
  return bits === 0 || a.first >>> (32 - bits) === b.first >>> (32 - bits);
}

function range(text: string): { first: number; bits: number } {
  const [address = "", bits = "32"] = text.split("/");
  return { first: address.split(".").reduce((sum, octet) => (sum << 8) | Number(octet), 0) >>> 0, bits: Number(bits) };
}
