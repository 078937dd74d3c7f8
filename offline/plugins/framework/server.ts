import * as grpc from "@grpc/grpc-js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import pluginPb from "@pulumi/pulumi/proto/plugin_pb.js";
import type * as pb from "@pulumi/pulumi/proto/provider_pb.js";
import providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import type { Autonaming } from "./autoname.js";
import type { Failure } from "./check.js";
import { changedNames, replacedNames, type DetailedChange, type DiffResult } from "./diff.js";
import { messageOf, PartialFailure } from "./errors.js";
import { EngineLog, type Logger } from "./log.js";
import { listen, newServer } from "./process.js";
import { initFailedStatus } from "./status.js";
import { decode, encode, type DecodeOptions, type Properties } from "./values.js";

/** What every operation on a resource is told. */
export interface Operation {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly timeoutSeconds: number | undefined;
}

export interface Checked {
  readonly inputs: Properties;
  readonly failures: readonly Failure[];
}

/** A provider as the protocol sees it, with the messages taken apart. `bridged.ts` makes one from a `ProviderSpec`. */
export interface Handlers {
  readonly name: string;
  readonly version: string;
  /** What Configure's answer promises to the engine. */
  readonly flags: {
    readonly acceptSecrets: boolean;
    readonly acceptResources: boolean;
    readonly acceptOutputs: boolean;
    readonly autonaming: boolean;
  };
  /** How Check to Delete read their messages; Create's, Update's and Check's news keep unknown values. */
  readonly decode: DecodeOptions;
  /** Whether the engine's Cancel stops the operations under way; the bridged providers ignore it. */
  readonly cancelAborts: boolean;
  checkConfig(news: Properties): Checked;
  configure(config: Properties): Promise<void>;
  check(
    op: Operation,
    news: Properties,
    olds: Properties | undefined,
    seed: Uint8Array,
    autonaming: Autonaming | undefined,
  ): Checked;
  diff(
    op: Operation,
    request: { state: Properties; oldInputs: Properties; news: Properties; ignoreChanges: string[] },
  ): DiffResult;
  create(op: Operation, inputs: Properties, preview: boolean): Promise<{ id: string; state: Properties }>;
  /** Undefined: the resource is gone. */
  read(
    op: Operation,
    id: string,
    state: Properties,
    inputs: Properties,
  ): Promise<{ id: string; state: Properties; inputs: Properties } | undefined>;
  update(
    op: Operation,
    request: {
      id: string;
      state: Properties;
      oldInputs: Properties;
      news: Properties;
      ignoreChanges: string[];
      preview: boolean;
    },
  ): Promise<Properties>;
  delete(op: Operation, id: string, state: Properties): Promise<void>;
  /** Runs a function; one that ends with Cancel or with the plugin looks at the signal. */
  invoke(token: string, args: Properties, context: Pick<Operation, "log" | "signal">): Promise<Properties>;
  /** Ends what was opened, before the process ends. */
  close(): Promise<void>;
}

/**
 * Serves the handlers on a free port until `close` is called.
 *
 * @param engineAddress - where log lines go; without one, to stderr
 */
export async function serve(handlers: Handlers, engineAddress: string | undefined): Promise<Served> {
  const ending = new AbortController();
  const server = providerServer(handlers, new EngineLog(engineAddress), ending.signal);
  const port = await listen(server, `the ${handlers.name} plugin`);
  return {
    port,
    async close() {
      ending.abort(new Error("the plugin was told to end"));
      await handlers.close();
      server.forceShutdown();
    },
  };
}

export interface Served {
  readonly port: number;
  /** Ends the operations under way, and what was opened for them. */
  close(): Promise<void>;
}

/**
 * A server that answers the protocol by the handlers, not yet bound to a port.
 *
 * @param ending - aborts every operation under way
 */
export function providerServer(handlers: Handlers, log: EngineLog, ending: AbortSignal): grpc.Server {
  const server = newServer();
  server.addService(providerGrpc.ResourceProviderService, implementation(handlers, log, ending));
  return server;
}

interface Located {
  getUrn(): string;
}

/** `urn:pulumi:<stack>::<project>::<parent>$<type>::<name>`; the name may hold `::` itself. */
export function parseUrn(urn: string): { type: string; name: string } {
  const parts = urn.split("::");
  return { type: (parts[2] ?? "").split("$").at(-1) ?? "", name: parts.slice(3).join("::") };
}

function implementation(handlers: Handlers, log: EngineLog, ending: AbortSignal): grpc.UntypedServiceImplementation {
  let cancelled = new AbortController();
  const read = (message: Parameters<typeof decode>[0], skipNulls = false) =>
    decode(message, { ...handlers.decode, skipNulls: skipNulls || (handlers.decode.skipNulls ?? false) });

  const operation = (request: Located & { getTimeout?(): number }): Operation => {
    const urn = request.getUrn();
    const seconds = request.getTimeout?.() ?? 0;
    const signals = [ending, cancelled.signal];
    if (seconds > 0) signals.push(AbortSignal.timeout(seconds * 1000));
    return {
      urn,
      ...parseUrn(urn),
      log: log.for(urn),
      signal: AbortSignal.any(signals),
      timeoutSeconds: seconds > 0 ? seconds : undefined,
    };
  };

  /** Answers one call: the log goes first, and whatever is thrown becomes a status without a stack. */
  const unary =
    <Request, Response>(answer: (request: Request) => Response | Promise<Response>) =>
    (call: grpc.ServerUnaryCall<Request, Response>, callback: grpc.sendUnaryData<Response>): void => {
      void (async () => {
        try {
          const response = await answer(call.request);
          await log.flushed();
          callback(null, response);
        } catch (error) {
          await log.flushed();
          callback(statusOf(error));
        }
      })();
    };

  return {
    getPluginInfo: unary(() => {
      const response = new pluginPb.PluginInfo();
      response.setVersion(handlers.version);
      return response;
    }),
    attach: unary((request: { getAddress(): string }) => {
      log.attach(request.getAddress());
      return new empty.Empty();
    }),
    checkConfig: unary((request: pb.CheckRequest) =>
      checkResponse(handlers.checkConfig(decode(request.getNews(), { secrets: "keep", skipNulls: true }))),
    ),
    diffConfig: unary((request: pb.DiffRequest) => {
      // A changed setting never replaces a provider, and so never its resources either.
      const keep = { secrets: "strip" } as const;
      const olds = decode(request.getOldInputs() ?? request.getOlds(), keep);
      const changed = differentKeys(olds, decode(request.getNews(), keep));
      const detailed = new Map(changed.map((key) => [key, { change: "update", replace: false } as const]));
      return diffResponse({ detailed, deleteBeforeReplace: false, stables: [] }, true);
    }),
    configure: unary(async (request: pb.ConfigureRequest) => {
      await handlers.configure(decode(request.getArgs(), { secrets: "strip", skipNulls: true }));
      const response = new provider.ConfigureResponse();
      response.setAcceptsecrets(handlers.flags.acceptSecrets);
      response.setSupportspreview(true);
      response.setAcceptresources(handlers.flags.acceptResources);
      response.setAcceptoutputs(handlers.flags.acceptOutputs);
      response.setSupportsAutonamingConfiguration(handlers.flags.autonaming);
      return response;
    }),
    check: unary((request: pb.CheckRequest) => {
      const options = request.getAutonaming();
      const modes = ["propose", "enforce", "disable"] as const;
      const autonaming = options && {
        mode: modes[options.getMode()] ?? "propose",
        proposedName: options.getProposedName(),
      };
      const olds = request.hasOlds() ? read(request.getOlds()) : undefined;
      const news = read(request.getNews(), true);
      return checkResponse(handlers.check(operation(request), news, olds, request.getRandomseed_asU8(), autonaming));
    }),
    diff: unary((request: pb.DiffRequest) =>
      diffResponse(
        handlers.diff(operation(request), {
          state: read(request.getOlds(), true),
          oldInputs: read(request.getOldInputs()),
          news: read(request.getNews()),
          ignoreChanges: request.getIgnorechangesList(),
        }),
        false,
      ),
    ),
    create: unary(async (request: pb.CreateRequest) => {
      const created = await handlers.create(operation(request), read(request.getProperties()), request.getPreview());
      const response = new provider.CreateResponse();
      response.setId(created.id);
      response.setProperties(encode(created.state));
      return response;
    }),
    read: unary(async (request: pb.ReadRequest) => {
      const state = read(request.getProperties(), true);
      const found = await handlers.read(operation(request), request.getId(), state, read(request.getInputs()));
      const response = new provider.ReadResponse();
      if (found) {
        response.setId(found.id);
        response.setProperties(encode(found.state));
        response.setInputs(encode(found.inputs));
      }
      return response;
    }),
    update: unary(async (request: pb.UpdateRequest) => {
      const state = await handlers.update(operation(request), {
        id: request.getId(),
        state: read(request.getOlds(), true),
        oldInputs: read(request.getOldInputs()),
        news: read(request.getNews()),
        ignoreChanges: request.getIgnorechangesList(),
        preview: request.getPreview(),
      });
      const response = new provider.UpdateResponse();
      response.setProperties(encode(state));
      return response;
    }),
    delete: unary(async (request: pb.DeleteRequest) => {
      await handlers.delete(operation(request), request.getId(), read(request.getProperties(), true));
      return new empty.Empty();
    }),
    invoke: unary(async (request: pb.InvokeRequest) => {
      const args = decode(request.getArgs(), { secrets: "strip", skipNulls: true });
      const context = { log: log.for(""), signal: AbortSignal.any([ending, cancelled.signal]) };
      const result = await handlers.invoke(request.getTok(), args, context);
      const response = new provider.InvokeResponse();
      response.setReturn(encode(result));
      return response;
    }),
    cancel: unary(() => {
      if (handlers.cancelAborts) {
        cancelled.abort(new Error("cancelled"));
        cancelled = new AbortController();
      }
      return new empty.Empty();
    }),
  };
}

function statusOf(error: unknown): Partial<grpc.StatusObject> {
  if (error instanceof PartialFailure) return initFailedStatus(error as PartialFailure);
  return { code: grpc.status.UNKNOWN, details: messageOf(error), metadata: new grpc.Metadata() };
}

function differentKeys(a: Properties, b: Properties): string[] {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]));
}

function checkResponse({ inputs, failures }: Checked): pb.CheckResponse {
  const response = new provider.CheckResponse();
  response.setInputs(encode(inputs));
  response.setFailuresList(
    failures.map(({ property, reason }) => {
      const failure = new provider.CheckFailure();
      failure.setProperty(property);
      failure.setReason(reason);
      return failure;
    }),
  );
  return response;
}

function diffResponse(diff: DiffResult, inputDiff: boolean): pb.DiffResponse {
  const response = new provider.DiffResponse();
  const { DIFF_NONE, DIFF_SOME } = provider.DiffResponse.DiffChanges;
  response.setChanges(diff.detailed.size === 0 ? DIFF_NONE : DIFF_SOME);
  response.setHasdetaileddiff(true);
  response.setDiffsList([...changedNames(diff)].sort());
  response.setReplacesList([...replacedNames(diff)].sort());
  response.setStablesList([...diff.stables]);
  response.setDeletebeforereplace(diff.deleteBeforeReplace);
  for (const [path, change] of diff.detailed) {
    const entry = new provider.PropertyDiff();
    entry.setKind(kindOf(change));
    entry.setInputdiff(inputDiff);
    response.getDetaileddiffMap().set(path, entry);
  }
  return response;
}

function kindOf({ change, replace }: DetailedChange): pb.PropertyDiff.Kind {
  const kind = provider.PropertyDiff.Kind;
  switch (change) {
    case "add":
      return replace ? kind.ADD_REPLACE : kind.ADD;
    case "delete":
      return replace ? kind.DELETE_REPLACE : kind.DELETE;
    case "update":
      return replace ? kind.UPDATE_REPLACE : kind.UPDATE;
  }
}
