import { existsSync, readFileSync } from "node:fs";
import {
  isCollection,
  isMap,
  isScalar,
  Pair,
  parseDocument,
  visit,
  type Document,
  type Node,
  type Scalar,
  type YAMLMap,
} from "yaml";
import { NAMESPACE } from "../../config/errors";
import { schema } from "../../config/groups";
import { parsed } from "../json";
import { asSetting, type Answers } from "./question";

/** In the file that comes with the repository: values that are nobody's, and marks of what must be set. */
const EXAMPLE = "example.com";
const NO_DIGEST = /@sha256:0{64}$/;
/** Settings there whose values do not show that they are examples. */
const EXAMPLES = [
  ...["applications", "databaseRanges", "edgeMetricsAllow", "grafanaDataSource", "hostCidr", "kubeContext"],
  ...["prometheusImage", "vaultRanges"],
];
const PORTS = ["edgePort", "edgeTlsPort", "edgeMetricsPort"];
const MARK = /\bSET:?\s*/;

/** What the answers say of the stack, as its settings; undefined removes one. */
export function settingsOf(answers: Answers, stack: string): Record<string, string | undefined> {
  const cluster = answers.platform === "kubernetes";
  const operator = answers.prometheus === "operator";
  const files = !operator && answers.prometheus !== "nowhere";
  const asked = Object.fromEntries(
    Object.entries(answers)
      .filter(([key]) => key in schema.shape)
      .map(([key, text]) => [key, text === "" ? undefined : asSetting(key, text)]),
  );
  return {
    environment: stack,
    ...asked,
    // The default is left out.
    platform: cluster ? "kubernetes" : undefined,
    ...(answers.serviceUrl?.startsWith("http://") ? { edgePlainHttp: "true" } : {}),
    ...(files ? {} : { prometheusHost: undefined, prometheusTargets: undefined, prometheusRules: undefined }),
    ...(answers.prometheus === "docker" ? {} : { prometheusImage: undefined }),
    ...(operator ? { edgeMetricsAllow: "[]" } : { podMonitorNamespace: undefined, podMonitorLabels: undefined }),
    prometheusDiscovery: operator ? "podMonitor" : cluster || !files ? "http" : undefined,
    alerts: files ? undefined : "grafana",
    vaultPath: answers.vaultPath ?? `audit-svc/${stack}`,
  };
}

/**
 * The stack's file with these settings: those of before that are not asked for stay, and so do its comments.
 *
 * @param template the file to begin with if there is none
 */
export function stackFileText(file: string, template: string, settings: Record<string, string | undefined>): string {
  const from = [file, template].find((each) => existsSync(each));
  const before = from === undefined ? "config:\n" : readFileSync(from, "utf8");
  const document = parseDocument(
    Object.entries(settings).reduce((all, [key, value]) => (value === undefined ? all : uncommented(all, key)), before),
  );
  if (!isMap(document.get("config"))) document.set("config", document.createNode({}));
  for (const [key, text] of Object.entries(settings)) {
    const path = ["config", `${NAMESPACE}:${key}`];
    if (text === undefined) document.deleteIn(path);
    else write(document, path, text);
  }
  visit(document, (_, node) => {
    if (node !== null && typeof node === "object" && "comment" in node && typeof node.comment === "string")
      node.comment = unmarked(node.comment);
    if (node !== null && typeof node === "object" && "commentBefore" in node && typeof node.commentBefore === "string")
      node.commentBefore = unmarked(node.commentBefore);
  });
  return document
    .toString({ lineWidth: 0 })
    .replace(/^(# Settings of the stack) "(?:vm2|cluster)"/, `$1 "${settings.environment ?? ""}"`)
    .replace(/(pulumi stack init) (?:vm2|cluster)\b/, `$1 ${settings.environment ?? ""}`);
}

/** With a setting that only a comment shows, so that it is written there, with what is said of it. */
function uncommented(text: string, key: string): string {
  const name = `${NAMESPACE}:${key}:`;
  if (new RegExp(`^  ${name}`, "m").test(text)) return text;
  return text.replace(new RegExp(`^  # ${name}.*(?:\\n  # {3}- .*)*$`, "m"), (lines) =>
    lines.replace(/^( {2})# /gm, "$1"),
  );
}

const ORDER = Object.keys(schema.shape).map((key) => `${NAMESPACE}:${key}`);

/** Among the settings of its group, behind the one that comes before it in docs/settings.md. */
function insert(document: Document, key: string, node: Node): void {
  const config = document.get("config") as YAMLMap<Scalar<string>>;
  const at = ORDER.slice(0, ORDER.indexOf(key))
    .map((each) => config.items.findIndex((item) => item.key.value === each))
    .findLast((index) => index >= 0);
  config.items.splice(at === undefined ? config.items.length : at + 1, 0, new Pair(document.createNode(key), node));
}

/** Keeps the comment of a value that is there. */
function write(document: Document, path: readonly string[], text: string): void {
  const value = /^[[{]/.test(text)
    ? (JSON.parse(text) as unknown)
    : /^\d+$/.test(text)
      ? Number(text)
      : text === "true"
        ? true
        : text;
  const there = document.getIn(path, true);
  if (isScalar(there) && typeof value !== "object") there.value = value;
  else if (JSON.stringify(document.getIn(path)) !== JSON.stringify(value)) {
    const node = document.createNode(value);
    const { comment, commentBefore } = (there ?? {}) as { comment?: string; commentBefore?: string };
    // On one line, what is said of a list above its items is said behind it.
    if (isCollection(node)) node.flow = isMap(node) || node.items.length === 0;
    const onOneLine = !isCollection(node) || node.flow;
    node.comment = onOneLine ? (comment ?? commentBefore) : comment;
    node.commentBefore = onOneLine ? undefined : commentBefore;
    if (document.hasIn(path)) document.setIn(path, node);
    else insert(document, path.at(-1) ?? "", node);
  }
}

const unmarked = (comment: string): string | undefined => {
  const lines = comment.split("\n").map((line) => line.replace(MARK, ""));
  const text = lines.filter((line) => !line.includes("must be set; every other key")).join("\n");
  return text.trim() === "" ? undefined : text;
};

/** The answers that a stack's file gives, but for the examples of the repository's. */
export function answersIn(texts: Readonly<Record<string, string>>): Answers {
  const settings = Object.entries(texts)
    .filter(
      ([key, text]) =>
        key.startsWith(`${NAMESPACE}:`) &&
        !text.includes(EXAMPLE) &&
        !(NO_DIGEST.test(text) && key !== `${NAMESPACE}:image`),
    )
    .map(([key, text]) => {
      // An address of IPv6 in brackets only begins as a list does.
      const list = parsed(text);
      return [
        key.slice(NAMESPACE.length + 1),
        Array.isArray(list) ? list.join(",") : text.replace(NO_DIGEST, ""),
      ] as const;
    });
  const answers: Record<string, string> = Object.fromEntries(settings);
  // A balancer's ports are none of a node's.
  if (answers.edgeService !== "nodePort") for (const key of PORTS) delete answers[key];
  if (answers.prometheusUrl !== undefined) answers.prometheus = prometheusIn(answers);
  else for (const key of EXAMPLES) delete answers[key];
  return answers;
}

function prometheusIn({ prometheusDiscovery, prometheusHost, prometheusImage }: Answers): string {
  if (prometheusDiscovery === "podMonitor") return "operator";
  if (prometheusHost === undefined) return "nowhere";
  return prometheusImage === undefined ? "host" : "docker";
}
