import { addressPlan } from "../../../components/vm/addresses";
import { NAMESPACE } from "../../../config/errors";
import { failure, ok, skipped, warning, type Finding, type Subject } from "../check";
import type { Access } from "../access";
import { overlap } from "../host-facts";

interface Network {
  Name: string;
  IPAM?: { Config?: { Subnet?: string }[] | null };
  Options?: Record<string, string> | null;
}

/** The program's own networks; components/vm/networks.ts names them. */
const OWN = /^audit-(front|admin|egress|edge)$/;
const RANGE = `${NAMESPACE}:networkPrefix`;

const networksOf = async ({ engine }: Access): Promise<readonly Network[]> =>
  (await engine("/networks")).body as readonly Network[];

const subnetsOf = (network: Network): string[] =>
  (network.IPAM?.Config ?? []).flatMap(({ Subnet: subnet }) =>
    subnet === undefined || subnet.includes(":") ? [] : [subnet],
  );

/** Subnets that the program fixes. */
function planned({ values }: Access): string[] {
  const { front, admin, egress, edge } = addressPlan(values.networkPrefix);
  return [front, admin, egress, edge].flatMap((each) => (each === undefined ? [] : [each.subnet]));
}

async function subnets(access: Access): Promise<Finding> {
  const wanted = planned(access);
  const taken = (await networksOf(access))
    .filter(({ Name: name }) => !OWN.test(name))
    .flatMap((network) => subnetsOf(network).map((subnet) => ({ name: network.Name, subnet })))
    .filter(({ subnet }) => wanted.some((each) => overlap(each, subnet)));
  if (taken.length === 0) return ok(`${wanted.join(", ")} are free of other networks of Docker`);
  return failure(
    `Docker's network ${taken.map(({ name, subnet }) => `${name} has ${subnet}`).join(", ")}, where ${wanted.join(", ")} shall be`,
    `choose another range by ${RANGE}, or remove that network`,
  );
}

async function routes(access: Access): Promise<Finding> {
  const { routes: found } = await access.host();
  const wanted = planned(access);
  const hit = found.find(({ range }) => wanted.some((each) => overlap(each, range)));
  if (hit === undefined) return ok("the VM has no route into the containers' subnets");
  return failure(
    `the VM has a route to ${hit.range} by ${hit.device}, where ${wanted.join(", ")} shall be: containers would not reach what is there`,
    `choose another range by ${RANGE}`,
  );
}

async function mtu({ host, values }: Access): Promise<Finding> {
  const { uplink } = await host();
  if (uplink === undefined || uplink.mtu === 0) return skipped("the VM has no default route, or does not show its MTU");
  const wanted = values.networkMtu || 1500;
  const text = `${uplink.name} has an MTU of ${uplink.mtu}, the containers' networks ${wanted}`;
  return wanted <= uplink.mtu
    ? ok(text)
    : failure(`${text}: large packets may be lost`, `set ${NAMESPACE}:networkMtu to ${uplink.mtu} or less`);
}

async function pools(access: Access): Promise<Finding> {
  if (addressPlan(access.values.networkPrefix).egress !== undefined) return ok(`all four networks are in ${RANGE}`);
  const mine = (await access.host()).routes
    .map(({ range }) => range)
    .filter((range) => overlap(range, "172.16.0.0/12") || overlap(range, "192.168.0.0/16"));
  if (mine.length === 0) return ok("Docker chooses two subnets itself, and the VM has no route into its pools");
  return warning(
    `Docker chooses two subnets itself, and your network uses ${mine.join(", ")} of its pools`,
    `set ${RANGE} to a /22 that nothing else uses, for example 10.20.4.0/22`,
  );
}

export const networks: Subject = {
  name: "The VM's networks",
  checks: [
    { id: "networks-subnets", title: "subnets", needs: "vm-docker", run: subnets },
    { id: "networks-routes", title: "routes", needs: "vm-ssh", run: routes },
    { id: "networks-pools", title: "Docker's address pools", needs: "vm-ssh", run: pools },
    { id: "networks-mtu", title: "MTU", needs: "vm-ssh", run: mtu },
  ],
};
