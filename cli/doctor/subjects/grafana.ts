import { NAMESPACE } from "../../../config/errors";
import { failure, ok, skipped, warning, type Finding, type Subject } from "../check";
import type { Access } from "../access";

async function answers({ grafana, values }: Access): Promise<Finding> {
  const { status, body } = await grafana("/api/health");
  const { version, database } = (typeof body === "object" ? body : {}) as { version?: string; database?: string };
  if (database !== undefined && database !== "ok") return failure(`Grafana's database is ${database}`, "see its log");
  if (status !== 200 || database === undefined)
    return failure(
      `${values.grafanaUrl} answers ${status}, and not as Grafana does`,
      `correct ${NAMESPACE}:grafanaUrl, with the path if it is below one`,
    );
  return ok(`Grafana ${version ?? ""}`.trim());
}

const CREDENTIALS = "GRAFANA_HTTP_HEADERS (of the pipeline: GRAFANA_AUTH) must hold a service account's token";

async function login({ grafana }: Access): Promise<Finding> {
  // Folders are for every role; with anonymous access switched on, a wrong login is refused all the same.
  const { status } = await grafana("/api/folders?limit=1");
  if (status === 401) return failure("Grafana refuses the login (401)", `${CREDENTIALS} that is not expired`);
  if (status !== 200) return failure(`Grafana answers ${status} to the login`, CREDENTIALS);
  return ok("Grafana takes the login");
}

async function rights({ grafana, values }: Access): Promise<Finding> {
  const wanted = [
    ...["folders:create", "dashboards:create"],
    ...(values.alerts === "grafana" ? ["alert.provisioning:write"] : []),
    ...(values.grafanaDataSource === undefined ? ["datasources:create"] : []),
  ];
  const { status, body } = await grafana("/api/access-control/user/permissions");
  if (status !== 200 || typeof body !== "object" || body === null)
    return skipped(`this Grafana does not tell what a login may do (${status})`);
  const missing = wanted.filter((right) => !(right in body));
  const role = values.grafanaDataSource === undefined ? "Admin" : "Editor";
  if (missing.length === 0) return ok(`the login may do what the role ${role} may`);
  return failure(`the login lacks ${missing.join(", ")}`, `give its service account the role ${role}`);
}

async function dataSource({ grafana, values }: Access): Promise<Finding> {
  const uid = values.grafanaDataSource;
  if (uid === undefined) return ok("the program makes the data source");
  const { status, body } = await grafana(`/api/datasources/uid/${uid}`);
  if (status === 404)
    return failure(
      `Grafana has no data source ${uid}`,
      `name one in ${NAMESPACE}:grafanaDataSource: the last part of its address in Connections > Data sources`,
    );
  if (status !== 200)
    return warning(
      `the login may not look at the data source ${uid} (${status})`,
      "give its service account the role Editor",
    );
  const { type, name } = body as { type?: string; name?: string };
  return type === "prometheus"
    ? ok(`the data source ${name ?? uid} is a Prometheus`)
    : failure(
        `the data source ${uid} is of type ${type ?? "?"}`,
        `name a Prometheus in ${NAMESPACE}:grafanaDataSource`,
      );
}

export const grafana: Subject = {
  name: "Grafana",
  checks: [
    { id: "grafana-answers", title: "Grafana", run: answers },
    { id: "grafana-login", title: "login", needs: "grafana-answers", run: login },
    { id: "grafana-rights", title: "the login's rights", needs: "grafana-login", run: rights },
    { id: "grafana-source", title: "data source", needs: "grafana-login", run: dataSource },
  ],
};
