import type { input } from "@pulumi/kubernetes/types";
import { UserError } from "../../lib/user-error";

/** Where pods may go: address ranges, and a port there. */
export interface Destination {
  ranges: readonly string[];
  port: number;
}

/** @throws UserError where a destination has no ranges: to a network policy an empty list is everywhere */
export function requireRanges(reach: Readonly<Record<string, Destination>>): void {
  const empty = Object.keys(reach).find((name) => reach[name]?.ranges.length === 0);
  if (empty === undefined) return;
  throw new UserError(
    `reach.${empty}.ranges is empty, which to a network policy is everywhere; name the addresses, such as 10.0.0.7/32.`,
  );
}

/** Lets pods go there. */
export const to = ({ ranges, port }: Destination): input.networking.v1.NetworkPolicyEgressRule => ({
  to: peers(ranges),
  ports: [{ protocol: "TCP", port }],
});

/** Addresses and ranges, as a network policy has them. */
export const peers = (ranges: readonly string[]): input.networking.v1.NetworkPolicyPeer[] =>
  ranges.map((range) => ({ ipBlock: { cidr: asRange(range) } }));

const asRange = (range: string): string => (range.includes("/") ? range : `${range}/${range.includes(":") ? 128 : 32}`);
