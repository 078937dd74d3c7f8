import type { Provider } from "@pulumi/random";
import sdk from "@pulumi/random/package.json" with { type: "json" };
import { defineProvider } from "../framework/index.js";
import { randomId } from "./id.js";
import { randomPassword, randomString } from "./string.js";
import { randomUuid } from "./uuid.js";

export const randomProvider = defineProvider<typeof Provider, undefined>({
  name: "random",
  version: sdk.version,
  config: {},
  configure: () => undefined,
  resources: [randomPassword, randomString, randomId, randomUuid],
});
