import type * as grafana from "@pulumiverse/grafana";
import { defineResource, goJson, type InputsOf, messageOf, PartialFailure, type StateOf } from "../framework/index.js";
import { type Api, AnswerError, type Json } from "./api.js";
import { existingOrgId, newOrgId, orgResourceId } from "./ids.js";
import { normalizeJson, parseObject } from "./json.js";

type SourceClass = typeof grafana.oss.DataSource;
type SourceInputs = InputsOf<SourceClass>;
type SourceState = StateOf<SourceClass>;

const HEADER_NAME = /^httpHeaderName\d+$/;

/** The body of a create or update. Headers travel as numbered names in the open part and values in the secret one. */
function bodyOf(inputs: SourceInputs): Json {
  const jsonData: Json = { ...parseObject(inputs.jsonDataEncoded ?? "") };
  const secureJsonData: Json = { ...parseObject(inputs.secureJsonDataEncoded ?? "") };
  Object.entries(inputs.httpHeaders ?? {}).forEach(([name, value], index) => {
    jsonData[`httpHeaderName${index + 1}`] = name;
    secureJsonData[`httpHeaderValue${index + 1}`] = value;
  });
  return {
    name: inputs.name,
    type: inputs.type,
    url: inputs.url ?? "",
    access: inputs.accessMode ?? "proxy",
    database: inputs.databaseName ?? "",
    user: inputs.username ?? "",
    isDefault: inputs.isDefault ?? false,
    basicAuth: inputs.basicAuthEnabled ?? false,
    basicAuthUser: inputs.basicAuthUsername ?? "",
    ...(inputs.uid ? { uid: inputs.uid } : {}),
    jsonData,
    secureJsonData,
  };
}

interface Answer {
  readonly uid: string;
  readonly orgId: number;
  readonly name: string;
  readonly type: string;
  readonly access: string;
  readonly url: string;
  readonly user: string;
  readonly database: string;
  readonly basicAuth: boolean;
  readonly basicAuthUser: string;
  readonly isDefault: boolean;
  readonly jsonData: Json;
}

async function readSource(
  api: Api,
  id: string,
  state: SourceState,
): Promise<{ id: string; state: SourceState } | undefined> {
  const { orgId, uid } = existingOrgId(api, id);
  const found = await api.find<Answer>("getDataSourceByUID", `/datasources/uid/${encodeURIComponent(uid)}`, orgId);
  if (found === undefined) return undefined;
  const names = Object.entries(found.jsonData).filter(([key]) => HEADER_NAME.test(key));
  const open = Object.fromEntries(
    Object.entries(found.jsonData).filter(([key]) => !HEADER_NAME.test(key) && key !== "teamHttpHeaders"),
  );
  // Grafana never tells a header's value, only that there is one.
  const headers = Object.entries(state.httpHeaders ?? {}).filter(([name]) => names.some(([, known]) => known === name));
  return {
    // Unlike for other resources, the organisation is the one that Grafana answers, also for a token.
    id: orgResourceId(found.orgId, found.uid),
    state: {
      orgId: String(found.orgId),
      uid: found.uid,
      name: found.name,
      type: found.type,
      accessMode: found.access,
      url: found.url,
      username: found.user,
      databaseName: found.database,
      basicAuthEnabled: found.basicAuth,
      basicAuthUsername: found.basicAuthUser,
      isDefault: found.isDefault,
      jsonDataEncoded: goJson(open),
      ...(state.httpHeaders ? { httpHeaders: Object.fromEntries(headers) } : {}),
    },
  };
}

function checkJson(reserved: string, instead: string): (text: string) => string | undefined {
  return (text) => {
    if (text.includes(reserved))
      return `${reserved}{num} is a reserved key and cannot be used in JSON data. Use ${instead} instead`;
    return text !== "" && normalizeJson(text) === "" ? "contains an invalid JSON" : undefined;
  };
}

/** grafana_data_source. Its secrets cannot be read back: a change by hand is not seen. */
export const dataSource = defineResource<SourceClass, Api>({
  token: "grafana:oss/dataSource:DataSource",
  inputs: {
    orgId: { forceNew: true },
    uid: { computed: true, forceNew: true },
    name: { autoname: true },
    type: { required: true },
    accessMode: { default: "proxy" },
    basicAuthEnabled: { default: false },
    basicAuthUsername: { default: "" },
    databaseName: { default: "" },
    httpHeaders: { secret: true },
    // There is always one default: it changes by making another one the default, never by taking it away.
    isDefault: { default: false, equal: (state, input) => (state && !input) || state === input },
    url: {},
    username: { default: "" },
    jsonDataEncoded: { validate: checkJson("httpHeaderName", "the http_headers attribute"), stateOf: normalizeJson },
    secureJsonDataEncoded: {
      secret: true,
      validate: checkJson("httpHeaderValue", "the http_headers attribute"),
      stateOf: normalizeJson,
    },
  },

  customizeDiff(state, inputs) {
    const unchanged = inputs.orgId === undefined ? ["orgId"] : [];
    for (const key of ["jsonDataEncoded", "secureJsonDataEncoded"] as const) {
      if ((inputs[key] ?? "") === "" && state[key] === "{}") unchanged.push(key);
    }
    return { unchanged };
  },

  async create(api, inputs) {
    const orgId = newOrgId(api, inputs.orgId);
    const answer = await api.call<{ datasource: { uid: string } }>(
      "addDataSource",
      "POST",
      "/datasources",
      orgId,
      bodyOf(inputs),
    );
    const id = orgResourceId(orgId, answer.datasource.uid);
    try {
      const found = await readSource(api, id, { httpHeaders: inputs.httpHeaders ?? null });
      if (found === undefined) throw new Error(`data source ${id} is gone right after it was written`);
      return found;
    } catch (error) {
      throw new PartialFailure<SourceState>(id, {}, [messageOf(error)]);
    }
  },

  read: (api, id, state) => readSource(api, id, state),

  async update(api, id, old, inputs) {
    const { orgId, uid } = existingOrgId(api, id);
    const body = { ...bodyOf(inputs), uid: inputs.uid ?? old.uid ?? uid };
    await api.call("updateDataSourceByUID", "PUT", `/datasources/uid/${encodeURIComponent(uid)}`, orgId, body);
    return { id, state: {} };
  },

  async delete(api, id) {
    const { orgId, uid } = existingOrgId(api, id);
    try {
      await api.call("deleteDataSourceByUID", "DELETE", `/datasources/uid/${encodeURIComponent(uid)}`, orgId);
    } catch (error) {
      if (!(error instanceof AnswerError && error.status === 404)) throw error;
    }
  },
});
