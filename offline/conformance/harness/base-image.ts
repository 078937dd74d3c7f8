import { execFileSync } from "node:child_process";

/**
 * The plain Debian image that the sandbox has built or pulled last, for containers that only need a shell.
 * @throws Error when there is none, or no Docker Engine
 */
export function baseImage(): string {
  const tags = execFileSync(
    "docker",
    ["images", "--filter", "dangling=false", "--format", "{{.Repository}}:{{.Tag}}", "audit-sandbox/base-plain"],
    { encoding: "utf8" },
  );
  const [newest] = tags.split("\n").filter((tag) => tag !== "");
  if (newest === undefined) throw new Error("there is no image audit-sandbox/base-plain; `make up` makes it");
  return newest;
}
