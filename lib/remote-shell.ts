import { sshTarget } from "./network-address";
import { commandLine } from "./shell";

/** Refuse unknown host keys and never prompt: the program runs unattended. */
export const strictSsh: readonly string[] = [
  "-o",
  "StrictHostKeyChecking=yes",
  "-o",
  "BatchMode=yes",
  "-o",
  "ConnectTimeout=10",
];

/** The command before the script: `ssh ... sh -c` or, for an engine on this machine, `sh -c`. */
export function remoteShell(address: string, sshOptions: readonly string[]): string {
  if (address.startsWith("unix://")) {
    return commandLine(["env", `DOCKER_HOST=${address}`, "sh", "-c"]);
  }
  const { port, destination } = sshTarget(address);
  // Use an existing shared connection, but do not leave a new one behind: it would keep the script's output open, and a
  // reader of that output would wait until the connection ends.
  const options = [...strictSsh, "-o", "ControlMaster=no", ...sshOptions, ...port];
  return commandLine(["ssh", ...options, "--", destination]);
}
