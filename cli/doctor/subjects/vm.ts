import { NAMESPACE } from "../../../config/errors";
import { failure, ok, skipped, warning, type Check, type Finding, type Subject } from "../check";
import type { Access } from "../access";
import { reachedFromHost, type Reached } from "../reached";

const GIB = 1024 * 1024;
/** KiB that images of two releases and their logs take, with room for a third while it is pulled. */
const DISK = 4 * GIB;
/** The oldest Docker Engine that this has run on, and the first that shields a container from neighbours by itself (docs/decisions/0004). */
const OLDEST = "20.10";
const FIRM = 28;

/** What ssh says, and what it means. */
const SSH: readonly (readonly [RegExp, string])[] = [
  [
    /Host key verification failed|no matching host key/i,
    "its host key is not known or has changed: compare `ssh-keyscan` with what the machine shows, and put it into known_hosts (SSH_KNOWN_HOSTS of the pipeline)",
  ],
  [
    /Permission denied/i,
    "it refuses this login: the certificate's principal or the key must be that of the user (docs/guide.md, step 3); by hand, Vault signs a certificate for your own key, for minutes (step 6)",
  ],
  [/Could not resolve|Name or service not known/i, `the name is unknown here: correct ${NAMESPACE}:hostAddress or DNS`],
  [
    /timed out|refused|No route|unreachable/i,
    "no sshd answers: is the machine up, the port right, and the way through the firewall open?",
  ],
];

async function ssh({ host, values: { hostAddress: address = "" } }: Access): Promise<Finding> {
  try {
    await host();
    return ok(`${address} takes this login, and its host key is known`);
  } catch (error) {
    const said = (error as Error).message.trim().split("\n").join("; ");
    const [, cure = "try `ssh` with the same address by hand"] = SSH.find(([pattern]) => pattern.test(said)) ?? [];
    return failure(`${address}: ${said}`, cure);
  }
}

async function engine({ engine, values }: Access): Promise<Finding> {
  const { status, body } = await engine("/version").catch((error: unknown) => ({
    status: 0,
    body: (error as Error).message,
  }));
  if (status === 200) return ok("the Docker Engine answers this login");
  const said = typeof body === "string" ? body : JSON.stringify(body);
  return /permission denied/i.test(said)
    ? failure(
        "the login may not use the Docker Engine",
        `usermod --append --groups docker ${new URL(values.hostAddress ?? "").username}, as root there, and log in again`,
      )
    : failure(
        `no Docker Engine answers there: ${said.split("\n")[0] ?? ""}`,
        "install Docker, and start it: systemctl enable --now docker",
      );
}

async function version({ engine, values }: Access): Promise<Finding> {
  const { Version: text } = (await engine("/version")).body as { Version: string };
  const [major = 0, minor = 0] = text.split(".").map(Number);
  const [oldest = 0, least = 0] = OLDEST.split(".").map(Number);
  if (major < oldest || (major === oldest && minor < least))
    return failure(`Docker ${text} is older than ${OLDEST}`, `install ${FIRM} or newer`);
  if (major < FIRM && values.reloadOn === "main")
    return warning(
      `with Docker ${text}, a neighbour of the VM that adds a route reaches an image that listens on every address`,
      `install ${FIRM} or newer, or have the image listen on AUDIT_LISTEN alone`,
    );
  return ok(`Docker ${text}`);
}

async function disk({ host }: Access): Promise<Finding> {
  const { disk: found } = await host();
  if (found === undefined) return skipped("df says nothing there");
  const text = `${(found.freeKiB / GIB).toFixed(1)} GiB free at ${found.path}`;
  const cure = "docker image prune --all there, or a larger disk";
  if (found.freeKiB < DISK / 4) return failure(text, cure);
  if (found.freeKiB < DISK || found.freeKiB < found.totalKiB / 20) return warning(`only ${text}`, cure);
  return ok(text);
}

async function memory({ host, values, engine }: Access): Promise<Finding> {
  const { memoryKiB } = await host();
  const containers = (await engine("/containers/json")).body as { Names?: string[] }[];
  const serving = containers.some(({ Names = [] }) => Names.some((name) => name.startsWith("/audit-svc-")));
  // While one release takes over from another, both run.
  const need = values.replicas * values.memory * (serving ? 1 : 2);
  const text = `${Math.round(memoryKiB / 1024)} MiB available, ${need} MiB needed for a deploy`;
  return memoryKiB / 1024 < need
    ? warning(text, `more memory, or a smaller ${NAMESPACE}:replicas or ${NAMESPACE}:memory`)
    : ok(text);
}

async function ports({ host, engine, values }: Access): Promise<Finding> {
  const { listening } = await host();
  const containers = (await engine("/containers/json")).body as {
    Names?: string[];
    Ports?: { PublicPort?: number }[];
  }[];
  const own = containers
    .filter(({ Names = [] }) => Names.some((name) => name.startsWith("/audit-edge")))
    .flatMap(({ Ports = [] }) => Ports.map(({ PublicPort }) => PublicPort));
  const wanted = {
    edgePort: values.edgePort,
    ...(values.tls === "off" ? {} : { edgeTlsPort: values.edgeTlsPort }),
    edgeMetricsPort: values.edgeMetricsPort,
  };
  const taken = Object.entries(wanted).filter(([, port]) => listening.includes(port) && !own.includes(port));
  const names = Object.values(wanted).join(", ");
  if (taken.length === 0) return ok(`${names} are free, or the edge's own`);
  return failure(
    `something else listens on ${taken.map(([key, port]) => `${port} (${NAMESPACE}:${key})`).join(" and ")}`,
    "end it (`ss -ltnp` as root there shows what it is), or set another port",
  );
}

const REACHED: readonly Reached["what"][] = ["PostgreSQL", "Vault", "the registry"];

const reached = (what: Reached["what"]): Check => ({
  id: `vm-reaches-${what.replace("the ", "").toLowerCase()}`,
  title: `${what}, from the VM`,
  needs: "vm-ssh",
  run: async ({ host, values }) => {
    const target = reachedFromHost(values).find((each) => each.what === what);
    if (target === undefined) return skipped("images come from Docker Hub");
    const answer = (await host()).reaches[`${target.host} ${target.port}`];
    const at = `${target.host}:${target.port}`;
    if (answer === "yes") return ok(`${at} accepts connections from the VM`);
    if (answer !== "no") return skipped(`the VM has none of bash, nc and python3 by which to try ${at}`);
    return failure(
      `the VM does not reach ${at} (${target.setting})`,
      `open the way from the VM in the firewall, and see that the VM's DNS knows ${target.host}`,
    );
  },
});

export const vm: Subject = {
  name: "The VM",
  checks: [
    { id: "vm-ssh", title: "ssh and host key", run: ssh },
    { id: "vm-docker", title: "Docker Engine", needs: "vm-ssh", run: engine },
    { id: "vm-docker-version", title: "Docker's version", needs: "vm-docker", run: version },
    { id: "vm-disk", title: "disk", needs: "vm-ssh", run: disk },
    { id: "vm-memory", title: "memory", needs: "vm-docker", run: memory },
    { id: "vm-ports", title: "ports", needs: "vm-docker", run: ports },
    ...REACHED.map(reached),
  ],
};
