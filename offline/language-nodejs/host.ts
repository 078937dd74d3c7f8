import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import language from "@pulumi/pulumi/proto/language_pb.js";
import type * as pb from "@pulumi/pulumi/proto/language_pb.js";
import pluginPb from "@pulumi/pulumi/proto/plugin_pb.js";
import { installDependencies, programDependencies } from "./dependencies.js";
import { parseOptions } from "./options.js";
import { requiredPackages } from "./packages.js";
import { PluginRuns } from "./plugins.js";
import { runProgram } from "./run.js";

type Unary<Request, Response> = (
  call: grpc.ServerUnaryCall<Request, Response>,
  callback: grpc.sendUnaryData<Response>,
) => void;

/**
 * npm's version, from its package.json: the CLI asks for it in every run, and starting npm takes a third of a second.
 */
function npmVersion(): string | undefined {
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    try {
      const require = createRequire(realpathSync(join(directory, "npm")));
      return (require("../package.json") as { version: string }).version;
    } catch {
      // npm is not in this directory, or is a wrapper without npm's files beside it.
    }
  }
  return undefined;
}

function unary<Request, Response>(
  answer: (request: Request) => Response | Promise<Response>,
): Unary<Request, Response> {
  return (call, callback) => {
    void (async () => {
      try {
        callback(null, await answer(call.request));
      } catch (error) {
        callback({ code: grpc.status.UNKNOWN, details: error instanceof Error ? error.message : String(error) });
      }
    })();
  };
}

/**
 * The part of Pulumi's Node language host that `up`, `preview`, `refresh`, `destroy` (also with `--run-program`),
 * `install` and `about` need. No package registry has the host, but the SDK, which runs the program, is on npm. Of plugins
 * it runs the stand-ins alone.
 *
 * @param engineAddress - where the program reaches the engine, `host:port`
 */
export function languageHost(engineAddress: string, version: string) {
  const cancelled = new AbortController();
  const plugins = new PluginRuns();
  let engine = engineAddress;

  const implementation = {
    handshake: unary((request: pb.LanguageHandshakeRequest) => {
      engine = request.getEngineAddress();
      return new language.LanguageHandshakeResponse();
    }),
    getPluginInfo: unary(() => {
      const response = new pluginPb.PluginInfo();
      response.setVersion(version);
      return response;
    }),
    getRequiredPackages: unary((request: pb.GetRequiredPackagesRequest) => {
      const found = requiredPackages(infoOf(request).getProgramDirectory());
      const response = new language.GetRequiredPackagesResponse();
      response.setPackagesList(
        found.map(({ name, version, server }) => {
          const dependency = new pluginPb.PackageDependency();
          dependency.setName(name);
          dependency.setKind("resource");
          dependency.setVersion(version);
          dependency.setServer(server);
          return dependency;
        }),
      );
      return response;
    }),
    run: unary(async (request: pb.RunRequest) => {
      const result = await runProgram(request, engine, cancelled.signal);
      const response = new language.RunResponse();
      response.setError(result.error);
      response.setBail(result.bail);
      return response;
    }),
    about: unary((request: pb.AboutRequest) => {
      parseOptions(infoOf(request).getOptions()?.toJavaScript() ?? {});
      const response = new language.AboutResponse();
      response.setExecutable(process.execPath);
      response.setVersion(process.version);
      response.getMetadataMap().set("packagemanager", "npm");
      const npm = npmVersion();
      if (npm !== undefined) response.getMetadataMap().set("packagemanagerVersion", npm);
      return response;
    }),
    getProgramDependencies: unary(async (request: pb.GetProgramDependenciesRequest) => {
      const directory = infoOf(request).getProgramDirectory();
      const dependencies = await programDependencies(directory, request.getTransitivedependencies());
      const response = new language.GetProgramDependenciesResponse();
      response.setDependenciesList(
        dependencies.map(({ name, version }) => {
          const dependency = new language.DependencyInfo();
          dependency.setName(name);
          dependency.setVersion(version);
          return dependency;
        }),
      );
      return response;
    }),
    installDependencies: (
      call: grpc.ServerWritableStream<pb.InstallDependenciesRequest, pb.InstallDependenciesResponse>,
    ) => {
      const write = (stream: "stdout" | "stderr", data: Buffer | string) => {
        const response = new language.InstallDependenciesResponse();
        const bytes = typeof data === "string" ? Buffer.from(data) : data;
        if (stream === "stdout") response.setStdout(bytes);
        else response.setStderr(bytes);
        call.write(response);
      };
      installDependencies(infoOf(call.request).getProgramDirectory(), write, cancelled.signal).then(
        () => call.end(),
        (error: unknown) => {
          const details = error instanceof Error ? error.message : String(error);
          call.emit("error", { code: grpc.status.UNKNOWN, details });
        },
      );
    },
    runPlugin: (call: grpc.ServerWritableStream<pb.RunPluginRequest, pb.RunPluginResponse>) => {
      plugins.start(call);
    },
    cancel: unary(() => {
      cancelled.abort();
      return new empty.Empty();
    }),
  } as grpc.UntypedServiceImplementation;

  return {
    implementation,
    async close() {
      cancelled.abort();
      await plugins.close();
    },
  };
}

function infoOf(request: { getInfo(): pb.ProgramInfo | undefined }): pb.ProgramInfo {
  const info = request.getInfo();
  if (!info)
    throw new Error("the CLI did not say where the program is; this language host needs Pulumi 3.250 or newer");
  return info;
}
