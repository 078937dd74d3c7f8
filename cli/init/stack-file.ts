import { existsSync, readFileSync } from "node:fs";
import { Document, isMap, isScalar, parseDocument, visit } from "yaml";
import { NAMESPACE } from "../../config/errors";
import { schema } from "../../config/groups";
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
  const files = answers.prometheus !== "nowhere";
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
    prometheusDiscovery: cluster || !files ? "http" : undefined,
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
  const document = from === undefined ? new Document({ config: {} }) : parseDocument(readFileSync(from, "utf8"));
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
    .replace(/(pulumi stack init) (?:vm2|cluster)\b/, `$1 ${settings.environment ?? ""}`);
}

/** Keeps the comment of a value that is there. */
function write(document: Document, path: readonly string[], text: string): void {
  const value = text.startsWith("[")
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
    node.comment = comment;
    node.commentBefore = commentBefore;
    document.setIn(path, node);
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
    .map(
      ([key, text]) =>
        [
          key.slice(NAMESPACE.length + 1),
          text.startsWith("[") ? (JSON.parse(text) as string[]).join(",") : text.replace(NO_DIGEST, ""),
        ] as const,
    );
  const answers: Record<string, string> = Object.fromEntries(settings);
  // A balancer's ports are none of a node's.
  if (answers.edgeService !== "nodePort") for (const key of PORTS) delete answers[key];
  if (answers.prometheusUrl !== undefined)
    answers.prometheus =
      answers.prometheusHost === undefined ? "nowhere" : answers.prometheusImage === undefined ? "host" : "docker";
  else for (const key of EXAMPLES) delete answers[key];
  return answers;
}
