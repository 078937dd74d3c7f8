import assert from "node:assert/strict";
import * as grpc from "@grpc/grpc-js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import languageGrpc from "@pulumi/pulumi/proto/language_grpc_pb.js";
import language from "@pulumi/pulumi/proto/language_pb.js";
import type * as pb from "@pulumi/pulumi/proto/language_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import type * as providerPb from "@pulumi/pulumi/proto/provider_pb.js";
import providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import { languageHost } from "../../language-nodejs/host.js";
import { listen, newServer } from "../../plugins/framework/process.js";
import { decode, encode, type Properties } from "../../plugins/framework/values.js";
import { Engine } from "./engine.js";

type Provider = InstanceType<typeof providerGrpc.ResourceProviderClient>;

describe("the Node language host, asked to run plugins", () => {
  let engine: Engine;
  let server: grpc.Server;
  let host: ReturnType<typeof languageHost>;
  let client: InstanceType<typeof languageGrpc.LanguageRuntimeClient>;
  const opened: Provider[] = [];

  beforeEach(async () => {
    engine = await new Engine().start();
    host = languageHost(engine.address, "3.2.1");
    server = newServer();
    server.addService(languageGrpc.LanguageRuntimeService, host.implementation);
    const address = `127.0.0.1:${await listen(server, "the host")}`;
    client = new languageGrpc.LanguageRuntimeClient(address, grpc.credentials.createInsecure());
  });
  afterEach(async () => {
    for (const each of opened.splice(0)) each.close();
    await host.close();
    client.close();
    server.forceShutdown();
    engine.stop();
  });

  /** Asks for a plugin as the CLI does for one whose PulumiPlugin.yaml has these options. */
  function asked(options: Properties): grpc.ClientReadableStream<pb.RunPluginResponse> {
    const info = new language.ProgramInfo();
    info.setOptions(encode(options));
    const request = new language.RunPluginRequest();
    request.setInfo(info);
    request.setArgsList([engine.address]);
    return client.runPlugin(request);
  }

  async function started(standIn: string): Promise<{ plugin: Provider; end: () => Promise<unknown> }> {
    const call = asked({ standIn });
    const port = await new Promise<string>((resolve, reject) => {
      call.once("data", (response: pb.RunPluginResponse) => {
        resolve(Buffer.from(response.getStdout_asU8()).toString());
      });
      call.once("error", reject);
    });
    assert.match(port, /^\d+\n$/);
    const ended = new Promise((resolve) => call.on("error", resolve));
    const end = (): Promise<unknown> => {
      call.cancel();
      return ended;
    };
    const address = `127.0.0.1:${port.trim()}`;
    const plugin = new providerGrpc.ResourceProviderClient(address, grpc.credentials.createInsecure());
    opened.push(plugin);
    return { plugin, end };
  }

  const answer = <T>(ask: (done: (error: grpc.ServiceError | null, response: T) => void) => void): Promise<T> =>
    new Promise((resolve, reject) => {
      ask((error, response) => {
        if (error) reject(error);
        else resolve(response);
      });
    });
  const versionOf = (plugin: Provider) =>
    answer<{ getVersion(): string }>((done) => plugin.getPluginInfo(new empty.Empty(), done));

  it("serves each stand-in until the call is cancelled", async () => {
    for (const name of ["command", "docker", "grafana", "postgresql", "random", "vault"]) {
      const { plugin, end } = await started(name);
      assert.match((await versionOf(plugin)).getVersion(), /^\d+\.\d+\.\d+/, name);
      await end();
      // The host hears of it a moment later.
      await assert.rejects(async () => {
        for (;;) await versionOf(plugin);
      }, /UNAVAILABLE|CANCELLED/);
    }
  });

  it("keeps two of a kind apart, and each says at the engine what it has to say", async () => {
    const [first, second] = [await started("command"), await started("command")];
    await first.end();
    const request = new provider.CreateRequest();
    request.setUrn("urn:pulumi:dev::proj::command:local:Command::one");
    request.setProperties(encode({ create: "echo said" }));
    const made = await answer<providerPb.CreateResponse>((done) => second.plugin.create(request, done));
    assert.equal(decode(made.getProperties(), { secrets: "strip" }).stdout, "said");
    assert.ok(engine.lines.some(({ message }) => message.includes("said")), JSON.stringify(engine.lines)); // prettier-ignore
  });

  it("ends what its plugins do when it is told to end", async () => {
    const { plugin } = await started("command");
    const request = new provider.CreateRequest();
    request.setUrn("urn:pulumi:dev::proj::command:local:Command::slow");
    request.setProperties(encode({ create: "exec sleep 600" }));
    const failed = assert.rejects(answer<unknown>((done) => plugin.create(request, done)));
    await new Promise((resolve) => setTimeout(resolve, 200));
    await host.close();
    await failed;
  });

  it("says that it runs no other plugins", async () => {
    for (const [options, message] of [
      [{ standIn: "aws" }, /there is no stand-in for the plugin aws/],
      [{}, /runs no plugins but the sandbox's stand-ins/],
    ] as const) {
      const call = asked(options);
      const error = await new Promise<grpc.ServiceError>((resolve) => call.once("error", resolve).resume());
      assert.match(error.details, message);
    }
  });
});
