import { attempt } from "../../../offline/lib/run.js";
import { contextName } from "./layout.js";

/** kubectl, as the administrator of the sandbox's cluster. */
export class Kubectl {
  constructor(
    private readonly program: string,
    private readonly kubeconfig: string,
  ) {}

  /** @throws Error with what it printed when it fails */
  async run(args: readonly string[], input?: string): Promise<string> {
    const flags = ["--kubeconfig", this.kubeconfig, "--context", contextName, "--request-timeout", "20s"];
    const result = await attempt(this.program, [...flags, ...args], {
      ...(input === undefined ? {} : { input }),
      timeout: 300_000,
    });
    if (!result.ok) throw new Error(`kubectl ${args.join(" ")}: ${result.all.trim()}`);
    return result.stdout;
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.run([...args, "--output", "json"])) as T;
  }

  /** @returns true when it changed nothing */
  async apply(...manifests: string[]): Promise<boolean> {
    const input = manifests.join("\n---\n");
    const printed = await this.run(["apply", "--filename", "-"], input);
    return printed
      .trim()
      .split("\n")
      .every((line) => line.endsWith(" unchanged"));
  }

  /** Whether the API is ready; by then it has created its own roles. */
  async ready(): Promise<boolean> {
    return (await this.run(["get", "--raw", "/readyz"])).trim() === "ok";
  }
}
