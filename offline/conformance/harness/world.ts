import { randomBytes } from "node:crypto";
import Docker from "dockerode";
import { baseImage } from "./base-image.js";
import type { Props } from "./values.js";

/** Everything this run makes in Docker starts with this, so that it can be told from others' and swept. */
export const PREFIX = (process.env.CONFORMANCE_PREFIX ??= `conformance-${randomBytes(3).toString("hex")}`);

/** An image that is there already; it needs `sh`, `sleep` and `touch`. */
export const IMAGE = process.env.CONFORMANCE_IMAGE ?? baseImage();

export const docker = new Docker({ socketPath: "/var/run/docker.sock" });

/** Inputs of a container that runs until it is deleted, and is then gone at once. */
export const sleeper = (): Props => ({ image: IMAGE, command: ["sleep", "600"], destroyGraceSeconds: 0 });

export const inspect = (id: string) => docker.getContainer(id).inspect();

let count = 0;

/** A name nobody else uses, e.g. for `name:` inputs. */
export function unique(what: string): string {
  return `${PREFIX}-${what}-${process.pid}-${++count}`;
}

/** Runs a program in a container and answers what it wrote to stdout. */
export async function execIn(id: string, ...argv: string[]): Promise<string> {
  const exec = await docker.getContainer(id).exec({ Cmd: argv, AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({});
  const chunks: Buffer[] = [];
  const { PassThrough } = await import("node:stream");
  const out = new PassThrough().on("data", (chunk: Buffer) => chunks.push(chunk));
  docker.modem.demuxStream(stream, out, new PassThrough());
  await new Promise((resolve) => stream.on("end", resolve));
  return Buffer.concat(chunks).toString().trim();
}

/** Waits for something to come about in the real world. */
export async function until(what: string, holds: () => Promise<boolean>, seconds = 10): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > deadline) {
      throw new Error(`${what}: not within ${seconds} s`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Removes what the run has left in Docker, and names it. */
export async function sweep(): Promise<string[]> {
  const left: string[] = [];
  const filters = { name: [PREFIX] };
  for (const { Id, Names } of await docker.listContainers({ all: true, filters })) {
    left.push(`container ${Names[0] ?? Id}`);
    await docker.getContainer(Id).remove({ force: true, v: true });
  }
  for (const { Id, Name } of await docker.listNetworks({ filters })) {
    left.push(`network ${Name}`);
    await docker.getNetwork(Id).remove();
  }
  for (const { Name } of (await docker.listVolumes({ filters })).Volumes) {
    left.push(`volume ${Name}`);
    await docker.getVolume(Name).remove();
  }
  return left;
}
