export { defineProvider } from "./bridged.js";
export { messageOf, PartialFailure } from "./errors.js";
export { goJson } from "./go-json.js";
export type { Logger } from "./log.js";
export { defineResource } from "./types.js";
export type {
  Call,
  ConfigOf,
  ConfigSpec,
  Diff,
  FieldSpecs,
  FunctionSpec,
  InputsOf,
  InputSpec,
  OutputSpec,
  ProviderSpec,
  ResourceSpec,
  StateOf,
} from "./types.js";
export { isUnknown, type Unknown } from "./values.js";
