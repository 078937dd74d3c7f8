import type { FastifyInstance } from "fastify";
import { checkUid, type Call, type Context, isObject, route, text } from "../context.js";
import { plain } from "../errors.js";
import { type DataSource, type Json, ORG_ID } from "../model.js";
import { askSource, type Target, targetOf } from "../prometheus.js";
import { newUid } from "../store.js";

/** Fills `source` from the body of a create or update; keys that are left out get Grafana's defaults. */
function assign(source: DataSource, body: Json): void {
  source.name = text(body, "name");
  source.type = text(body, "type");
  source.access = text(body, "access") || "proxy";
  source.url = text(body, "url");
  source.user = text(body, "user");
  source.database = text(body, "database");
  source.basicAuth = body.basicAuth === true;
  source.basicAuthUser = text(body, "basicAuthUser");
  source.withCredentials = body.withCredentials === true;
  source.isDefault = body.isDefault === true;
  source.jsonData = isObject(body.jsonData) ? body.jsonData : {};
  for (const [key, value] of Object.entries(isObject(body.secureJsonData) ? body.secureJsonData : {})) {
    // As in Grafana, secrets are merged: leaving one out keeps it, since nobody can read it back.
    if (typeof value === "string") source.secureJsonData[key] = value;
  }
}

function show(source: DataSource): Json {
  const { secureJsonData, ...open } = source;
  return {
    ...open,
    orgId: ORG_ID,
    typeLogoUrl: "public/img/icn-datasource.svg",
    secureJsonFields: Object.fromEntries(Object.keys(secureJsonData).map((key) => [key, true])),
    readOnly: false,
  };
}

/** As in the list of all, which tells less. */
function listed(source: DataSource): Json {
  const left = ["version", "basicAuthUser", "withCredentials", "secureJsonFields"];
  return Object.fromEntries(Object.entries(show(source)).filter(([key]) => !left.includes(key)));
}

/** Data sources: https://grafana.com/docs/grafana/latest/developers/http_api/data_source/ */
export function dataSourceRoutes(app: FastifyInstance, context: Context): void {
  const { store } = context;
  const find = (by: (source: DataSource) => boolean): DataSource => {
    const source = store.state.dataSources.find(by);
    if (source === undefined) throw plain(404, "Data source not found");
    return source;
  };
  const byUid = ({ params }: Call) => find((source) => source.uid === params.uid);
  const byName = ({ params }: Call) => find((source) => source.name === params.name);
  const byId = ({ params }: Call) => find((source) => source.id === Number(params.id));

  const check = (body: Json, self?: DataSource) => {
    if (text(body, "name") === "" && self !== undefined) throw plain(400, "bad request data");
    if (text(body, "type") === "") throw plain(400, "bad request data");
    const url = text(body, "url");
    if (url !== "" && !URL.canParse(url.includes("://") ? url : `http://${url}`)) {
      throw plain(400, "Validation error, invalid URL");
    }
    checkUid(text(body, "uid"));
    const others = store.state.dataSources.filter((source) => source !== self);
    if (others.some((source) => source.name === text(body, "name"))) {
      throw plain(409, "data source with the same name already exists");
    }
    const uid = text(body, "uid");
    if (uid !== "" && others.some((source) => source.uid === uid)) {
      throw plain(409, "data source with the same uid already exists");
    }
  };
  const onlyDefault = (chosen: DataSource) => {
    if (!chosen.isDefault) return;
    for (const source of store.state.dataSources) source.isDefault = source === chosen;
  };

  route(app, context, "GET", "/api/datasources", "Viewer", "datasources:read", () =>
    [...store.state.dataSources].sort((left, right) => left.name.localeCompare(right.name)).map(listed),
  );

  route(app, context, "POST", "/api/datasources", "Admin", "datasources:create", ({ body }) => {
    check(body);
    const source = { id: store.nextId(), version: 1, secureJsonData: {} } as DataSource;
    assign(source, body);
    source.uid = text(body, "uid") || newUid();
    source.name ||= `${source.type}-${source.uid}`;
    // The first one becomes the default, as when it is added in Grafana's own pages.
    source.isDefault ||= store.state.dataSources.length === 0;
    store.state.dataSources.push(source);
    onlyDefault(source);
    store.save();
    return { id: source.id, name: source.name, message: "Datasource added", datasource: show(source) };
  });

  const update = (source: DataSource, body: Json) => {
    check(body, source);
    const version = body.version;
    if (typeof version === "number" && version !== 0 && version < source.version) {
      throw plain(409, "Datasource has already been updated by someone else. Please reload and try again");
    }
    assign(source, body);
    source.uid = text(body, "uid") || source.uid;
    source.version += 1;
    onlyDefault(source);
    store.save();
    return { id: source.id, name: source.name, message: "Datasource updated", datasource: show(source) };
  };
  const remove = (source: DataSource) => {
    store.state.dataSources = store.state.dataSources.filter((candidate) => candidate !== source);
    store.save();
    return { message: "Data source deleted" };
  };

  for (const [path, lookup] of [
    ["/api/datasources/uid/:uid", byUid],
    ["/api/datasources/name/:name", byName],
    ["/api/datasources/:id", byId],
  ] as const) {
    route(app, context, "GET", path, "Viewer", "datasources:read", (call) => show(lookup(call)));
    route(app, context, "DELETE", path, "Admin", "datasources:delete", (call) => remove(lookup(call)));
    if (path.includes("name")) continue;
    route(app, context, "PUT", path, "Admin", "datasources:write", (call) => update(lookup(call), call.body));
  }
  route(app, context, "GET", "/api/datasources/id/:name", "Viewer", "datasources:read", (call) => ({
    id: byName(call).id,
  }));

  route(app, context, "GET", "/api/datasources/uid/:uid/health", "Viewer", "datasources:query", async (call) => {
    const answer = await askSource(targetOf(byUid(call)), "GET", "/api/v1/query?query=1%2B1");
    if (answer.status === 200) return { status: "OK", message: "Successfully queried the Prometheus API." };
    return call.reply.code(400).send({ status: "ERROR", message: answer.text.slice(0, 500) });
  });

  // What the page's variables are filled from; also how scripts read a source through Grafana.
  const proxy = async (target: Target, call: Call) => {
    const rest = `/${call.params["*"] ?? ""}`;
    const search = new URL(call.request.url, "http://localhost").search;
    const method = call.request.method;
    const form = method === "POST" ? new URLSearchParams(call.body as Record<string, string>).toString() : undefined;
    const answer = await askSource(target, method, rest + search, form);
    return call.reply.code(answer.status).type(answer.type).send(answer.text);
  };
  for (const method of ["GET", "POST"] as const) {
    for (const path of ["/api/datasources/proxy/uid/:uid/*", "/api/datasources/uid/:uid/resources/*"]) {
      route(app, context, method, path, "Viewer", "datasources:query", (call) => proxy(targetOf(byUid(call)), call));
    }
    route(app, context, method, "/api/datasources/proxy/:id/*", "Viewer", "datasources:query", (call) =>
      proxy(targetOf(byId(call)), call),
    );
  }
}
