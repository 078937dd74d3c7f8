import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import * as grpc from "@grpc/grpc-js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import type * as pbTypes from "@pulumi/pulumi/proto/provider_pb.js";
import providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import statusPb from "@pulumi/pulumi/proto/status_pb.js";
import { decode, encode, Secret, type Properties } from "../../plugins/framework/values.js";

/** What Diff answered. */
export interface Difference {
  changes: "none" | "some";
  replaces: string[];
  diffs: string[];
  deleteBeforeReplace: boolean;
}

/** Create or Update failed, but the resource is there: what the engine would keep in the state. */
export class InitFailed extends Error {
  constructor(
    readonly id: string,
    readonly state: Properties,
    readonly reasons: string[],
  ) {
    super(reasons.join("\n"));
  }
}

/** Check refused the inputs. */
export class CheckFailed extends Error {
  constructor(readonly failures: { property: string; reason: string }[]) {
    super(failures.map(({ reason }) => reason).join("\n"));
  }
}

type Struct = ReturnType<typeof encode>;

function withoutMarks(struct: Struct | undefined): Properties {
  return decode(struct, { secrets: "strip" });
}

/** Names of the top-level properties that came marked as secrets. */
function secretNames(struct: Struct | undefined): string[] {
  const kept = decode(struct, { secrets: "keep" });
  return Object.keys(kept).filter((key) => kept[key] instanceof Secret);
}

function initFailed(error: grpc.ServiceError): InitFailed | undefined {
  const [raw] = error.metadata.get("grpc-status-details-bin");
  if (raw === undefined) return undefined;
  const [detail] = statusPb.Status.deserializeBinary(raw as Buffer).getDetailsList();
  if (detail?.getTypeName() !== "pulumirpc.ErrorResourceInitFailed") return undefined;
  const failure = pb.ErrorResourceInitFailed.deserializeBinary(detail.getValue_asU8());
  return new InitFailed(failure.getId(), withoutMarks(failure.getProperties()), failure.getReasonsList());
}

/** A plugin's process and the calls that the engine would make. */
export class Plugin {
  private constructor(
    private readonly child: ChildProcess,
    private readonly client: grpc.Client,
  ) {}

  /** Starts a stand-in of `offline/plugins/` from its sources. */
  static async start(name: string, env: NodeJS.ProcessEnv = {}): Promise<Plugin> {
    const main = fileURLToPath(new URL("../../language-nodejs/main.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", main, "--plugin", name], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...env },
    });
    const port = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).once("line", resolve);
      child.once("exit", (code) =>
        reject(new Error(`the ${name} plugin ended with ${code} before it printed its port`)),
      );
    });
    const Client = providerGrpc.ResourceProviderClient as unknown as new (
      address: string,
      credentials: grpc.ChannelCredentials,
    ) => grpc.Client;
    return new Plugin(child, new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure()));
  }

  async stop(): Promise<void> {
    this.client.close();
    if (this.child.exitCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill("SIGTERM");
    await ended;
  }

  call<Response>(method: string, request: unknown): Promise<Response> {
    return new Promise((resolve, reject) => {
      const client = this.client as unknown as Record<
        string,
        (request: unknown, answer: (error: grpc.ServiceError | null, response: Response) => void) => void
      >;
      client[method]?.(request, (error, response) => {
        if (error) reject(initFailed(error) ?? new Error(error.details));
        else resolve(response);
      });
    });
  }

  /** @param config as the SDK's Provider sends it: everything that is not a string as JSON */
  /** The provider's inputs as they are kept in the state. */
  async checkConfig(config: Record<string, unknown>): Promise<Properties> {
    return decode((await this.checked(config)).getInputs(), { secrets: "keep" });
  }

  async configure(config: Record<string, unknown>): Promise<void> {
    const checked = await this.checked(config);
    const request = new pb.ConfigureRequest();
    request.setArgs(checked.getInputs());
    await this.call("configure", request);
  }

  private async checked(config: Record<string, unknown>): Promise<pbTypes.CheckResponse> {
    const news: Properties = {};
    for (const [key, value] of Object.entries(config))
      news[key] = typeof value === "string" ? value : JSON.stringify(value);
    const check = new pb.CheckRequest();
    check.setNews(encode(news));
    const checked = await this.call<pbTypes.CheckResponse>("checkConfig", check);
    const failures = checked
      .getFailuresList()
      .map((failure) => ({ property: failure.getProperty(), reason: failure.getReason() }));
    if (failures.length > 0) throw new CheckFailed(failures);
    return checked;
  }
}

/** One resource of a program, taken through runs of `pulumi up` as the engine would: check, diff, then what the diff asks for. */
export class Resource {
  id = "";
  /** The outputs in the state. */
  state: Properties = {};
  /** The checked inputs in the state. */
  inputs: Properties = {};
  /** Top-level properties of the last answer that were marked secret. */
  secrets: string[] = [];
  /** Whether the last Create or Update ended in InitFailed. */
  hasInitErrors = false;

  constructor(
    private readonly plugin: Plugin,
    private readonly type: string,
    private readonly name: string,
  ) {}

  private get urn(): string {
    return `urn:pulumi:test::test::${this.type}::${this.name}`;
  }

  async check(
    inputs: Properties,
    olds: Properties | undefined = this.id === "" ? undefined : this.inputs,
  ): Promise<Properties> {
    const request = new pb.CheckRequest();
    request.setUrn(this.urn);
    request.setNews(encode(inputs));
    if (olds !== undefined) request.setOlds(encode(olds));
    request.setRandomseed(new Uint8Array([1, 2, 3, 4]));
    const response = await this.plugin.call<pbTypes.CheckResponse>("check", request);
    const failures = response
      .getFailuresList()
      .map((failure) => ({ property: failure.getProperty(), reason: failure.getReason() }));
    if (failures.length > 0) throw new CheckFailed(failures);
    return withoutMarks(response.getInputs());
  }

  async diff(inputs: Properties): Promise<Difference> {
    const request = new pb.DiffRequest();
    request.setId(this.id);
    request.setUrn(this.urn);
    request.setOlds(encode(this.state));
    request.setOldInputs(encode(this.inputs));
    request.setNews(encode(await this.check(inputs)));
    const response = await this.plugin.call<pbTypes.DiffResponse>("diff", request);
    return {
      changes: response.getChanges() === pb.DiffResponse.DiffChanges.DIFF_NONE ? "none" : "some",
      replaces: response.getReplacesList(),
      diffs: response.getDiffsList(),
      deleteBeforeReplace: response.getDeletebeforereplace(),
    };
  }

  /** Keeps what an InitFailed carries, as the engine does, and throws it on. */
  private async keeping(inputs: Properties, action: () => Promise<void>): Promise<void> {
    try {
      await action();
      this.hasInitErrors = false;
    } catch (error) {
      if (error instanceof InitFailed) {
        Object.assign(this, { id: error.id, state: error.state, inputs, hasInitErrors: true });
      }
      throw error;
    }
    this.inputs = inputs;
  }

  async create(inputs: Properties, options: { preview?: boolean } = {}): Promise<this> {
    const checked = await this.check(inputs, undefined);
    await this.keeping(checked, async () => {
      const request = new pb.CreateRequest();
      request.setUrn(this.urn);
      request.setProperties(encode(checked));
      request.setPreview(options.preview ?? false);
      const response = await this.plugin.call<pbTypes.CreateResponse>("create", request);
      this.id = response.getId();
      this.state = withoutMarks(response.getProperties());
      this.secrets = secretNames(response.getProperties());
    });
    return this;
  }

  async update(inputs: Properties): Promise<void> {
    const checked = await this.check(inputs);
    await this.keeping(checked, async () => {
      const request = new pb.UpdateRequest();
      request.setId(this.id);
      request.setUrn(this.urn);
      request.setOlds(encode(this.state));
      request.setOldInputs(encode(this.inputs));
      request.setNews(encode(checked));
      const response = await this.plugin.call<pbTypes.UpdateResponse>("update", request);
      this.state = withoutMarks(response.getProperties());
    });
  }

  async delete(): Promise<void> {
    const request = new pb.DeleteRequest();
    request.setId(this.id);
    request.setUrn(this.urn);
    request.setProperties(encode(this.state));
    await this.plugin.call("delete", request);
    this.id = "";
    this.state = {};
  }

  /** `pulumi refresh`. Returns whether it is still there. */
  async refresh(): Promise<boolean> {
    const request = new pb.ReadRequest();
    request.setId(this.id);
    request.setUrn(this.urn);
    request.setProperties(encode(this.state));
    request.setInputs(encode(this.inputs));
    const response = await this.plugin.call<pbTypes.ReadResponse>("read", request);
    if (response.getId() === "") {
      this.id = "";
      return false;
    }
    this.state = withoutMarks(response.getProperties());
    this.inputs = withoutMarks(response.getInputs());
    return true;
  }

  /**
   * One `pulumi up`. A replacement is done in the order that the plugin asked for; an unchanged resource with init errors gets the empty Update that the engine
   * sends to clear them.
   */
  async up(inputs: Properties): Promise<"created" | "same" | "updated" | "replaced"> {
    if (this.id === "") {
      await this.create(inputs);
      return "created";
    }
    const diff = await this.diff(inputs);
    if (diff.replaces.length > 0) {
      const old = Object.assign(new Resource(this.plugin, this.type, this.name), {
        id: this.id,
        state: this.state,
        inputs: this.inputs,
      });
      if (diff.deleteBeforeReplace) await old.delete();
      await this.create(inputs);
      if (!diff.deleteBeforeReplace) await old.delete();
      return "replaced";
    }
    if (diff.changes === "none" && !this.hasInitErrors) {
      this.inputs = await this.check(inputs);
      return "same";
    }
    await this.update(inputs);
    return "updated";
  }
}
