import type { FastifyInstance } from "fastify";
import type { Identity } from "../auth.js";
import {
  checkUid,
  type Context,
  dashboardUrl,
  folderUrl,
  isObject,
  number,
  route,
  slug,
  text,
  texts,
} from "../context.js";
import { named, plain } from "../errors.js";
import { type Dashboard, type Json, ORG_ID } from "../model.js";
import { newUid } from "../store.js";

/** Finds the dashboard that a save means: by id first, then by uid. */
function existing(context: Context, model: Json): Dashboard | undefined {
  const { dashboards } = context.store.state;
  const id = number(model, "id") ?? 0;
  const uid = text(model, "uid");
  const byUid = uid === "" ? undefined : dashboards.find((candidate) => candidate.uid === uid);
  if (id <= 0) return byUid;
  const byId = dashboards.find((candidate) => candidate.id === id);
  if (byId === undefined) throw named(404, "not-found", "Dashboard not found");
  if (byUid !== undefined && byUid !== byId) throw plain(400, "A dashboard with the same uid already exists");
  return byId;
}

/** Saves a dashboard under the rules of `POST /api/dashboards/db`. */
export function saveDashboard(context: Context, body: Json, identity: Identity): Dashboard {
  const { store } = context;
  const given = body.dashboard;
  if (!isObject(given)) throw plain(400, "bad request data");
  const title = text(given, "title").trim();
  if (title === "") throw named(400, "empty-name", "Dashboard title cannot be empty");
  if (text(body, "message").length > 500) throw plain(400, "message too long, max 500 characters");
  checkUid(text(given, "uid"));
  const folderUid = text(body, "folderUid");
  if (folderUid !== "" && !store.state.folders.some((folder) => folder.uid === folderUid)) {
    throw plain(400, "folder not found");
  }
  const found = existing(context, given);
  // A new save of an existing uid carries no version, or an old one: that is how two writers are told apart.
  if (found !== undefined && body.overwrite !== true && number(given, "version") !== found.version) {
    throw named(412, "version-mismatch", "The dashboard has been changed by someone else");
  }
  const now = new Date().toISOString();
  const by = identity.login || "Anonymous";
  const dashboard: Dashboard = found ?? {
    id: store.nextId(),
    uid: "",
    slug: "",
    folderUid,
    version: 0,
    model: {},
    created: now,
    createdBy: by,
    updated: now,
    updatedBy: by,
  };
  const before = dashboard.uid;
  dashboard.uid = text(given, "uid") || dashboard.uid || newUid();
  dashboard.slug = slug(title);
  dashboard.folderUid = folderUid;
  dashboard.version += 1;
  dashboard.updated = now;
  dashboard.updatedBy = by;
  dashboard.model = { ...given, id: dashboard.id, uid: dashboard.uid, version: dashboard.version };
  if (found === undefined) store.state.dashboards.push(dashboard);
  for (const mark of store.state.annotations)
    if (before !== "" && mark.dashboardUid === before) mark.dashboardUid = dashboard.uid;
  store.save();
  return dashboard;
}

/** Dashboards and search: https://grafana.com/docs/grafana/latest/developers/http_api/dashboard/ */
export function dashboardRoutes(app: FastifyInstance, context: Context): void {
  const { store, settings } = context;
  const find = (uid: string | undefined): Dashboard => {
    const dashboard = store.state.dashboards.find((candidate) => candidate.uid === uid);
    if (dashboard === undefined) throw named(404, "not-found", "Dashboard not found");
    return dashboard;
  };
  const folderOf = (uid: string) => store.state.folders.find((folder) => folder.uid === uid);

  route(app, context, "POST", "/api/dashboards/db", "Editor", "dashboards:write", ({ body, identity }) => {
    const saved = saveDashboard(context, body, identity);
    return {
      id: saved.id,
      uid: saved.uid,
      url: dashboardUrl(settings, saved),
      status: "success",
      version: saved.version,
      slug: saved.slug,
      folderUid: saved.folderUid,
    };
  });

  route(app, context, "GET", "/api/dashboards/uid/:uid", "Viewer", "dashboards:read", ({ params, identity }) => {
    const dashboard = find(params.uid);
    const folder = folderOf(dashboard.folderUid);
    const canEdit = identity.role !== "Viewer";
    return {
      meta: {
        type: "db",
        canSave: canEdit,
        canEdit,
        canAdmin: identity.role === "Admin",
        canStar: false,
        canDelete: canEdit,
        slug: dashboard.slug,
        url: dashboardUrl(settings, dashboard),
        expires: "0001-01-01T00:00:00Z",
        created: dashboard.created,
        updated: dashboard.updated,
        updatedBy: dashboard.updatedBy,
        createdBy: dashboard.createdBy,
        version: dashboard.version,
        hasAcl: false,
        isFolder: false,
        folderId: folder?.id ?? 0,
        folderUid: dashboard.folderUid,
        folderTitle: folder?.title ?? "General",
        folderUrl: folder === undefined ? "" : folderUrl(settings, folder),
        provisioned: false,
        provisionedExternalId: "",
      },
      dashboard: dashboard.model,
    };
  });

  route(app, context, "DELETE", "/api/dashboards/uid/:uid", "Editor", "dashboards:delete", ({ params }) => {
    const dashboard = find(params.uid);
    const { state } = store;
    state.dashboards = state.dashboards.filter((candidate) => candidate !== dashboard);
    state.annotations = state.annotations.filter((annotation) => annotation.dashboardUid !== dashboard.uid);
    store.save();
    const title = text(dashboard.model, "title");
    return { uid: dashboard.uid, title, message: `Dashboard ${title} deleted` };
  });

  route(app, context, "GET", "/api/dashboards/tags", "Viewer", "dashboards:read", () => {
    const counts = new Map<string, number>();
    for (const tag of store.state.dashboards.flatMap(({ model }) => texts(model.tags))) {
      counts.set(tag, (counts.get(tag) ?? 0) + 1);
    }
    return [...counts].map(([term, count]) => ({ term, count }));
  });

  route(app, context, "GET", "/api/search", "Viewer", "dashboards:read", ({ query }) => {
    const wanted = (query.get("query") ?? "").toLowerCase();
    const type = query.get("type");
    const inFolders = query.getAll("folderUIDs");
    const uids = query.getAll("dashboardUIDs");
    const tags = query.getAll("tag");
    const limit = Number(query.get("limit") ?? 1000);
    const page = Number(query.get("page") ?? 1);
    const place = (uid: string) => {
      const folder = folderOf(uid);
      if (folder === undefined) return {};
      const { id, title } = folder;
      return { folderId: id, folderUid: uid, folderTitle: title, folderUrl: folderUrl(settings, folder) };
    };
    const common = { orgId: ORG_ID, slug: "", isStarred: false, sortMeta: 0, isDeleted: false };
    const folders = store.state.folders.map((folder) => ({
      ...common,
      id: folder.id,
      uid: folder.uid,
      title: folder.title,
      uri: `db/${slug(folder.title)}`,
      url: folderUrl(settings, folder),
      type: "dash-folder",
      tags: [] as string[],
      ...place(folder.parentUid),
    }));
    const dashboards = store.state.dashboards.map((dashboard) => ({
      ...common,
      id: dashboard.id,
      uid: dashboard.uid,
      title: text(dashboard.model, "title"),
      uri: `db/${dashboard.slug}`,
      url: dashboardUrl(settings, dashboard),
      type: "dash-db",
      tags: texts(dashboard.model.tags),
      ...place(dashboard.folderUid),
    }));
    return [...folders, ...dashboards]
      .filter((hit) => hit.title.toLowerCase().includes(wanted))
      .filter((hit) => type === null || type === "" || hit.type === type)
      .filter((hit) => uids.length === 0 || uids.includes(hit.uid))
      .filter((hit) => tags.every((tag) => hit.tags.includes(tag)))
      .filter((hit) => {
        if (inFolders.length === 0) return true;
        const parent = "folderUid" in hit ? (hit.folderUid ?? "") : "";
        return inFolders.includes(parent) || (parent === "" && inFolders.includes("general"));
      })
      .slice((page - 1) * limit, page * limit);
  });
}
