import type * as docker from "@pulumi/docker";
import { defineResource } from "../framework/index.js";
import type { DockerContext } from "./context.js";
import { findImage, localImage, repoDigest, type Image } from "./images.js";

function stateOf(name: string, image: Image) {
  return { id: image.Id + name, state: { name, imageId: image.Id, repoDigest: repoDigest(name, image) } };
}

/** An image that the engine has: pulled when it is not there, removed with the resource unless `keepLocally`. Nothing is ever built. */
export const remoteImage = defineResource<typeof docker.RemoteImage, DockerContext>({
  token: "docker:index/remoteImage:RemoteImage",
  inputs: {
    name: { required: true, forceNew: true },
    keepLocally: {},
    forceRemove: {},
    triggers: { forceNew: true },
    pullTriggers: { forceNew: true, unordered: true },
    platform: { forceNew: true },
  },
  outputs: { imageId: {}, repoDigest: {} },
  async create(ctx, inputs) {
    try {
      return stateOf(inputs.name, await findImage(ctx, inputs.name, inputs.platform ?? ""));
    } catch (error) {
      throw new Error(`Unable to read Docker image into resource: ${(error as Error).message}`, { cause: error });
    }
  },
  async read(ctx, id, state) {
    // The id is image id and name in one, so that an imported resource has a name too.
    const name = state.name ?? id.replace(/^sha256:[0-9a-f]{64}/, "");
    const image = await localImage(ctx, name);
    return image === undefined ? undefined : stateOf(name, image);
  },
  async update(ctx, _id, _old, inputs) {
    return stateOf(inputs.name, await findImage(ctx, inputs.name, inputs.platform ?? ""));
  },
  async delete(ctx, _id, state) {
    if (state.keepLocally === true) return;
    const name = state.name ?? "";
    if (name === "") throw new Error("empty image name is not allowed");
    if ((await localImage(ctx, name)) === undefined) return;
    try {
      await ctx.engine.request("DELETE", `/images/${encodeURI(name)}`, {
        query: { force: state.forceRemove === true },
      });
    } catch (error) {
      throw new Error(`Unable to remove Docker image: ${(error as Error).message}`, { cause: error });
    }
  },
});
