import type * as docker from "@pulumi/docker";
import sdk from "@pulumi/docker/package.json" with { type: "json" };
import { defineProvider } from "../framework/index.js";
import { container } from "./container.js";
import type { DockerContext } from "./context.js";
import { Engine } from "./engine.js";
import { network } from "./network.js";
import { registryAuths } from "./registry.js";
import { remoteImage } from "./remote-image.js";
import { volume } from "./volume.js";

const DEFAULT_HOST = "unix:///var/run/docker.sock";

export const dockerProvider = defineProvider<typeof docker.Provider, DockerContext>({
  name: "docker",
  version: sdk.version,
  config: {
    host: { default: () => process.env.DOCKER_HOST ?? DEFAULT_HOST },
    sshOpts: { json: true, default: () => process.env.DOCKER_SSH_OPTS?.split(/\s+/).filter((word) => word !== "") },
    // Not marked secret, as in the genuine plugin: a program has to do that itself.
    registryAuth: { json: true },
  },
  configure(config) {
    const host = config.host === undefined || config.host === "" ? DEFAULT_HOST : config.host;
    return {
      engine: new Engine({ host, sshOpts: config.sshOpts ?? [] }),
      auths: registryAuths(config.registryAuth ?? []),
    };
  },
  close(ctx) {
    ctx.engine.close();
    return Promise.resolve();
  },
  resources: [network, volume, remoteImage, container],
});
