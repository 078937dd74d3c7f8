import { UserError } from "./user-error.js";

/** Problems that the operator can fix, recognised by the programs' output. The first match wins. */
const knownFailures: readonly { sign: RegExp; cause: string; cure: string }[] = [
  {
    sign: /no space left on device|enough free space|disk quota exceeded|ENOSPC/i,
    cause: "the disk is full",
    cure: "Free some space (the sandbox needs about 8 GB; `docker system df` shows Docker's share) and run the command again.",
  },
  {
    sign: /permission denied while trying to connect to the docker daemon|dial unix [^ ]*docker\.sock: connect: permission denied/i,
    cause: "this user may not talk to the Docker Engine",
    cure: "Add the user to the group docker (`sudo usermod -aG docker $USER`, then log in again) or run as root.",
  },
  {
    sign: /cannot connect to the docker daemon|error during connect|is the docker daemon running/i,
    cause: "the Docker Engine does not answer",
    cure: "Start it (`sudo systemctl start docker`), or check DOCKER_HOST, and run the command again.",
  },
  {
    sign: /are you root\?|only root can do that|must be run as root|operation not permitted.*apt|permission denied.*dpkg/i,
    cause: "root's rights are missing",
    cure: "Run as root, or let this user use sudo without a password for this step.",
  },
  {
    sign: /could not get lock|unable to acquire the dpkg frontend lock|unable to lock directory/i,
    cause: "another package installation is running on this machine",
    cure: "Wait for it to end (often unattended-upgrades) and run the command again.",
  },
  {
    sign: /toomanyrequests|pull rate limit/i,
    cause: "the image registry refuses more pulls for now",
    cure: "Log in with `docker login`, set REGISTRY_MIRROR to a mirror of yours, or wait.",
  },
  {
    sign: /unauthorized|authentication required|denied: requested access|no basic auth credentials/i,
    cause: "the image registry refuses the login",
    cure: "Run `docker login <registry>` with an account that may pull, and run the command again.",
  },
  {
    sign: /manifest unknown|manifest for .* not found|repository does not exist/i,
    cause: "the image registry does not have this image",
    cure: "Check the reference (REGISTRY_MIRROR, IMAGE_<NAME>, versions.json).",
  },
  {
    sign: /x509|certificate (signed by|verify|has expired)|unable to get local issuer|SELF_SIGNED_CERT/i,
    cause: "a TLS certificate is not trusted",
    cure: "Put your organisation's authority into /usr/local/share/ca-certificates (and run update-ca-certificates).",
  },
  {
    sign: /temporary failure (in name resolution|resolving)|could not resolve|no such host|EAI_AGAIN|ENOTFOUND|network is unreachable|connection timed out|i\/o timeout|ETIMEDOUT/i,
    cause: "a host cannot be reached",
    cure: "Check the network and the proxy settings (http_proxy, https_proxy) and run the command again.",
  },
  {
    sign: /cannot allocate memory|signal: killed|out of memory/i,
    cause: "there is not enough memory",
    cure: "The builds need about 4 GB free; close something or add swap, and run the command again.",
  },
];

/** Cause and cure for a failed command's output, if it is a known problem. */
export function explain(output: string): { cause: string; cure: string } | undefined {
  // The reason is at the end of the output; earlier lines may contain similar warnings.
  const tail = output.split("\n").slice(-60).join("\n");
  const found = knownFailures.find(({ sign }) => sign.test(tail));
  return found === undefined ? undefined : { cause: found.cause, cure: found.cure };
}

/**
 * One message for a failed step: what failed, why, and how to fix it; or, for an unknown reason, the last lines and the
 * log.
 * @param what the step, as in "build the image postgres"
 */
export function failure(what: string, output: string, log?: string): UserError {
  const known = explain(output);
  const where = log === undefined ? "" : `\nThe whole output: ${log}`;
  if (known !== undefined) return new UserError(`Could not ${what}: ${known.cause}. ${known.cure}${where}`);
  const tail = output.trimEnd().split("\n").slice(-15).join("\n  ");
  return new UserError(`Could not ${what}. The last lines were:\n  ${tail}${where}`);
}

/** The last non-empty line of an output, for a progress line. */
export function lastLine(output: string): string {
  const lines = output.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "").at(-1) ?? "no output";
}
