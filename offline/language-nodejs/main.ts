import sdk from "@pulumi/pulumi/package.json" with { type: "json" };
import languageGrpc from "@pulumi/pulumi/proto/language_grpc_pb.js";
import { engineAddress, listen, newServer, runUntilEnded } from "../plugins/framework/process.js";
import { serve } from "../plugins/framework/server.js";
import { standIn } from "../plugins/index.js";
import { languageHost } from "./host.js";

const [option, name = ""] = process.argv.slice(2);

// `--version` is for people; the engine calls GetPluginInfo.
if (option === "--version" || option === "-version") {
  process.stdout.write(`${sdk.version}\n`);
} else if (option === "--plugin") {
  // One stand-in alone, as the CLI starts a plugin that is a program: for the tests that call plugins themselves.
  runUntilEnded(async () => serve(await standIn(name), engineAddress()));
} else {
  runUntilEnded(async () => {
    const host = languageHost(engineAddress() ?? "", sdk.version);
    const server = newServer();
    server.addService(languageGrpc.LanguageRuntimeService, host.implementation);
    return { port: await listen(server, "the Node language host"), close: () => host.close() };
  });
}
