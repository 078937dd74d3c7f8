import { defineCommand } from "../command";

export const exec = defineCommand<{ container?: string; "--"?: string[] }>({
  usage: "exec [container]",
  about: "runs a command in a replica, or in another container of the VM",
  examples: [
    ["audit exec", "a shell in a replica"],
    ["audit exec blue-2 -- node -p process.memoryUsage", "one command; exec ends with its exit code"],
    ["audit exec edge -- cat /etc/audit-edge/nginx.conf", "Nginx's configuration in force"],
    ["audit exec agent -- ls -l /agent", "in the Vault Agent's container"],
  ],
  options: (parser) =>
    parser.positional("container", {
      type: "string",
      describe: "blue-1, edge, agent, or a whole name, on a cluster a pod's; default: a replica that serves",
    }),
  run: async ({ container, "--": command }, context) => {
    const { runInContainer } = await import("../vm/exec.js");
    return runInContainer(container, command ?? [], context);
  },
});
