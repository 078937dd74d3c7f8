import type { FastifyInstance } from "fastify";
import { checkUid, type Context, folderUrl, route, text } from "../context.js";
import { named, plain } from "../errors.js";
import { type Folder, type Json, ORG_ID } from "../model.js";
import { newUid } from "../store.js";
import { forgetRules } from "./alerting.js";

/** Folders: https://grafana.com/docs/grafana/latest/developers/http_api/folder/ */
export function folderRoutes(app: FastifyInstance, context: Context): void {
  const { store, settings } = context;
  const find = (uid: string | undefined): Folder => {
    const folder = store.state.folders.find((candidate) => candidate.uid === uid);
    if (folder === undefined) throw named(404, "not-found", "folder not found");
    return folder;
  };
  const show = (folder: Folder): Json => ({
    id: folder.id,
    uid: folder.uid,
    orgId: ORG_ID,
    title: folder.title,
    url: folderUrl(settings, folder),
    hasAcl: false,
    canSave: true,
    canEdit: true,
    canAdmin: true,
    canDelete: true,
    createdBy: folder.createdBy,
    created: folder.created,
    updatedBy: folder.updatedBy,
    updated: folder.updated,
    version: folder.version,
    ...(folder.parentUid === "" ? {} : { parentUid: folder.parentUid, parents: parents(folder).map(show) }),
  });
  const parents = (folder: Folder): Folder[] => {
    const parent = store.state.folders.find((candidate) => candidate.uid === folder.parentUid);
    return parent === undefined ? [] : [...parents(parent), parent];
  };

  route(app, context, "GET", "/api/folders", "Viewer", "folders:read", ({ query }) => {
    const limit = Number(query.get("limit") ?? 1000);
    const page = Number(query.get("page") ?? 1);
    return store.state.folders
      .filter((folder) => folder.parentUid === (query.get("parentUid") ?? ""))
      .sort((left, right) => left.title.localeCompare(right.title))
      .slice((page - 1) * limit, page * limit)
      .map(({ id, uid, title, parentUid }) => ({ id, uid, title, ...(parentUid === "" ? {} : { parentUid }) }));
  });

  route(app, context, "GET", "/api/folders/:uid", "Viewer", "folders:read", ({ params }) => show(find(params.uid)));

  route(app, context, "POST", "/api/folders", "Editor", "folders:create", ({ body, identity }) => {
    const title = text(body, "title").trim();
    if (title === "") throw plain(400, "folder title cannot be empty");
    const uid = text(body, "uid") || newUid();
    checkUid(uid);
    if (store.state.folders.some((folder) => folder.uid === uid)) {
      throw plain(409, "a folder/dashboard with the same uid already exists");
    }
    const parentUid = text(body, "parentUid");
    if (parentUid !== "") find(parentUid);
    const now = new Date().toISOString();
    const by = identity.login || "Anonymous";
    const stamps = { created: now, createdBy: by, updated: now, updatedBy: by };
    const folder: Folder = { id: store.nextId(), uid, title, parentUid, version: 1, ...stamps };
    store.state.folders.push(folder);
    store.save();
    return show(folder);
  });

  route(app, context, "PUT", "/api/folders/:uid", "Editor", "folders:write", ({ params, body, identity }) => {
    const folder = find(params.uid);
    const title = text(body, "title").trim();
    if (title === "") throw plain(400, "folder title cannot be empty");
    if (body.overwrite !== true && body.version !== folder.version) {
      throw named(412, "version-mismatch", "the folder has been changed by someone else");
    }
    folder.title = title;
    folder.version += 1;
    folder.updated = new Date().toISOString();
    folder.updatedBy = identity.login || "Anonymous";
    store.save();
    return show(folder);
  });

  route(app, context, "POST", "/api/folders/:uid/move", "Editor", "folders:write", ({ params, body }) => {
    const folder = find(params.uid);
    const parentUid = text(body, "parentUid");
    if (parentUid !== "") {
      const target = find(parentUid);
      if (target === folder || parents(target).includes(folder))
        throw plain(400, "A folder cannot be moved into itself");
    }
    folder.parentUid = parentUid;
    folder.version += 1;
    store.save();
    return show(folder);
  });

  route(app, context, "GET", "/api/folders/:uid/counts", "Viewer", "folders:read", ({ params }) => {
    const { uid } = find(params.uid);
    return {
      dashboard: store.state.dashboards.filter((dashboard) => dashboard.folderUid === uid).length,
      folder: store.state.folders.filter((folder) => folder.parentUid === uid).length,
      alertrule: store.state.alertRules.filter((rule) => rule.folderUid === uid).length,
    };
  });

  route(app, context, "DELETE", "/api/folders/:uid", "Editor", "folders:delete", ({ params, query }) => {
    const folder = find(params.uid);
    const doomed = [folder, ...store.state.folders.filter((candidate) => parents(candidate).includes(folder))];
    const uids = doomed.map(({ uid }) => uid);
    const holdsRules = store.state.alertRules.some((rule) => uids.includes(rule.folderUid));
    if (holdsRules && query.get("forceDeleteRules") !== "true") {
      throw plain(400, "folder cannot be deleted: folder contains alert rules");
    }
    for (const uid of uids) forgetRules(store, uid);
    const { state } = store;
    const gone = state.dashboards.filter((dashboard) => uids.includes(dashboard.folderUid)).map(({ uid }) => uid);
    state.dashboards = state.dashboards.filter((dashboard) => !gone.includes(dashboard.uid));
    state.annotations = state.annotations.filter((annotation) => !gone.includes(annotation.dashboardUid));
    state.folders = state.folders.filter((candidate) => !uids.includes(candidate.uid));
    store.save();
    return { id: folder.id, title: folder.title, message: `Folder ${folder.title} deleted` };
  });
}
