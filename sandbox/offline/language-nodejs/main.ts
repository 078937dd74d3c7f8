import * as grpc from "@grpc/grpc-js";
import sdk from "@pulumi/pulumi/package.json" with { type: "json" };
import languageGrpc from "@pulumi/pulumi/proto/language_grpc_pb.js";
import { languageHost } from "./host.js";

// `--version` is asked by people; the engine asks through GetPluginInfo.
if (process.argv.includes("--version") || process.argv.includes("-version")) {
  process.stdout.write(`${sdk.version}\n`);
  process.exit(0);
}

const address = process.argv.at(-1);
const engineAddress = process.argv.length > 2 && address !== undefined && /:\d+$/.test(address) ? address : "";
const server = new grpc.Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
const host = languageHost(engineAddress, sdk.version);
server.addService(languageGrpc.LanguageRuntimeService, host.implementation);

function end(): void {
  host.cancel();
  process.exit(0);
}
process.once("SIGINT", end);
process.once("SIGTERM", end);
// A CLI that was killed cannot end its plugins: they notice that they were handed over to another parent.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) end();
}, 2000).unref();

server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) {
    process.stderr.write(`the Node language host cannot listen on 127.0.0.1: ${error.message}\n`);
    process.exit(1);
  }
  process.stdout.write(`${port}\n`);
});
