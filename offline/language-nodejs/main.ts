import sdk from "@pulumi/pulumi/package.json" with { type: "json" };
import languageGrpc from "@pulumi/pulumi/proto/language_grpc_pb.js";
import { engineAddress, newServer, serveUntilEnded } from "../plugins/framework/process.js";
import { languageHost } from "./host.js";

// `--version` is for people; the engine calls GetPluginInfo.
if (process.argv.includes("--version") || process.argv.includes("-version")) {
  process.stdout.write(`${sdk.version}\n`);
} else {
  const host = languageHost(engineAddress() ?? "", sdk.version);
  const server = newServer();
  server.addService(languageGrpc.LanguageRuntimeService, host.implementation);
  serveUntilEnded(server, "the Node language host", () => {
    host.cancel();
    return Promise.resolve();
  });
}
