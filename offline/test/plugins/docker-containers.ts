import { execFileSync } from "node:child_process";
import { baseImage } from "../../conformance/harness/base-image.js";
import type { Properties } from "../../plugins/framework/values.js";
import { Plugin, Resource } from "./provider-client.js";

export const IMAGE = baseImage();
const TYPE = "docker:index/container:Container";

export function docker(...args: string[]): string {
  return execFileSync("docker", args, { stdio: ["ignore", "pipe", "pipe"] })
    .toString()
    .trim();
}

export function inspect(name: string, format: string): string {
  return docker("inspect", "--format", format, name);
}

/** A program that runs until it is told to stop. */
export const SLEEP = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"];

/** The plugin and the containers of one test file; what is left of them goes when the file ends. */
export class Containers {
  #plugin: Plugin | undefined;
  #count = 0;

  /** @param prefix begins the names of this file's containers */
  constructor(readonly prefix: string) {
    before(async () => {
      this.#plugin = await Plugin.start("docker", { DOCKER_HOST: "" });
      await this.#plugin.configure({});
    });
    after(async () => {
      const left = docker("ps", "-aq", "--filter", `name=^/${prefix}`);
      if (left !== "") docker("rm", "-fv", ...left.split("\n"));
      await this.#plugin?.stop();
    });
  }

  get plugin(): Plugin {
    if (this.#plugin === undefined) throw new Error("the plugin is started before the first test");
    return this.#plugin;
  }

  /** The next container, not made yet. */
  next(): Resource {
    this.#count += 1;
    return new Resource(this.plugin, TYPE, this.last);
  }

  /** The name of the last one. */
  get last(): string {
    return `${this.prefix}-${this.#count}`;
  }

  /** Inputs for it. */
  inputs(inputs: Properties = {}): Properties {
    return { name: this.last, image: IMAGE, command: SLEEP, ...inputs };
  }
}
