import type { FastifyInstance } from "fastify";
import { type Context, isObject, number, route, text, texts } from "../context.js";
import { ApiError, plain } from "../errors.js";
import type { Annotation, Json } from "../model.js";

/** Annotations: https://grafana.com/docs/grafana/latest/developers/http_api/annotations/ */
export function annotationRoutes(app: FastifyInstance, context: Context): void {
  const { store } = context;
  const find = (id: string | undefined): Annotation => {
    const annotation = store.state.annotations.find((candidate) => candidate.id === Number(id));
    if (annotation === undefined) throw plain(404, "Annotation not found");
    return annotation;
  };
  const dashboardId = (uid: string) => store.state.dashboards.find((dashboard) => dashboard.uid === uid)?.id ?? 0;
  const show = (annotation: Annotation): Json => {
    const { dashboardUid, ...rest } = annotation;
    const place = { dashboardUID: dashboardUid, dashboardId: dashboardId(dashboardUid) };
    return {
      alertId: 0,
      alertName: "",
      newState: "",
      prevState: "",
      userId: 0,
      email: "",
      avatarUrl: "",
      ...rest,
      ...place,
    };
  };

  route(app, context, "GET", "/api/annotations", "Viewer", "annotations:read", ({ query }) => {
    const from = Number(query.get("from") ?? 0);
    const to = Number(query.get("to") ?? 0) || Infinity;
    const uid = query.get("dashboardUID") ?? "";
    const id = Number(query.get("dashboardId") ?? 0);
    const panel = Number(query.get("panelId") ?? 0);
    const tags = query.getAll("tags");
    const any = query.get("matchAny") === "true";
    const limit = Number(query.get("limit") ?? 100) || 100;
    return store.state.annotations
      .filter((annotation) => annotation.time <= to && annotation.timeEnd >= from)
      .filter((annotation) => uid === "" || annotation.dashboardUid === uid)
      .filter((annotation) => id === 0 || dashboardId(annotation.dashboardUid) === id)
      .filter((annotation) => panel === 0 || annotation.panelId === panel)
      .filter(
        ({ tags: has }) =>
          tags.length === 0 || (any ? tags.some((tag) => has.includes(tag)) : tags.every((tag) => has.includes(tag))),
      )
      .sort((left, right) => right.timeEnd - left.timeEnd || right.time - left.time)
      .slice(0, limit)
      .map(show);
  });

  route(app, context, "GET", "/api/annotations/tags", "Viewer", "annotations:read", () => {
    const counts = new Map<string, number>();
    for (const tag of store.state.annotations.flatMap(({ tags }) => tags)) counts.set(tag, (counts.get(tag) ?? 0) + 1);
    return { result: { tags: [...counts].map(([tag, count]) => ({ tag, count })) } };
  });

  route(app, context, "GET", "/api/annotations/:id", "Viewer", "annotations:read", ({ params }) =>
    show(find(params.id)),
  );

  route(app, context, "POST", "/api/annotations", "Editor", "annotations:create", ({ body, identity }) => {
    if (text(body, "text") === "") {
      throw new ApiError(400, { message: "Failed to save annotation", error: "text field should not be empty" });
    }
    const byId = store.state.dashboards.find((dashboard) => dashboard.id === body.dashboardId);
    const dashboardUid = text(body, "dashboardUID") || (byId?.uid ?? "");
    if (dashboardUid !== "" && dashboardId(dashboardUid) === 0) {
      throw new ApiError(404, { status: "not-found", message: "Dashboard not found" });
    }
    const now = Date.now();
    const time = number(body, "time") ?? now;
    const annotation: Annotation = {
      id: store.nextId(),
      dashboardUid,
      panelId: number(body, "panelId") ?? 0,
      time,
      timeEnd: number(body, "timeEnd") ?? time,
      tags: texts(body.tags),
      text: text(body, "text"),
      data: isObject(body.data) ? body.data : {},
      created: now,
      updated: now,
      login: identity.login,
    };
    if (annotation.timeEnd < annotation.time)
      [annotation.time, annotation.timeEnd] = [annotation.timeEnd, annotation.time];
    store.state.annotations.push(annotation);
    store.save();
    return { message: "Annotation added", id: annotation.id };
  });

  const change = (annotation: Annotation, body: Json) => {
    annotation.text = text(body, "text") || annotation.text;
    if (Array.isArray(body.tags)) annotation.tags = texts(body.tags);
    annotation.time = number(body, "time") ?? annotation.time;
    annotation.timeEnd = Math.max(number(body, "timeEnd") ?? annotation.timeEnd, annotation.time);
    annotation.updated = Date.now();
    store.save();
  };
  route(app, context, "PUT", "/api/annotations/:id", "Editor", "annotations:write", ({ params, body }) => {
    change(find(params.id), { tags: [], ...body });
    return { message: "Annotation updated" };
  });
  route(app, context, "PATCH", "/api/annotations/:id", "Editor", "annotations:write", ({ params, body }) => {
    change(find(params.id), body);
    return { message: "Annotation patched" };
  });
  route(app, context, "DELETE", "/api/annotations/:id", "Editor", "annotations:delete", ({ params }) => {
    const annotation = find(params.id);
    store.state.annotations = store.state.annotations.filter((candidate) => candidate !== annotation);
    store.save();
    return { message: "Annotation deleted" };
  });
}
