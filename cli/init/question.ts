import { schema } from "../../config/groups";
import type { Probes } from "./probes";

/** By the key of the question; texts as they were given, and with what was found out. */
export type Answers = Readonly<Record<string, string>>;

/** How an answer is judged. */
export interface Verdict {
  /** It cannot be used: what is wrong and the cure. */
  readonly wrong?: string;
  /** It may be right all the same, for example if the machine is yet to come. */
  readonly doubt?: string;
  /** What takes its place, such as an image with its digest. */
  readonly better?: string;
}

export interface Question {
  /** Key in the answers; that of a setting without `audit:`, or of vault.json with `gitlab.`. */
  readonly key: string;
  readonly ask: string;
  /** It may be none. */
  readonly optional?: true;
  /** The question whose answer `otherwise` makes one of. */
  readonly from?: string;
  /** Asked only then; default always. */
  readonly when?: (answers: Answers) => boolean;
  /**
   * Where nothing can be made of other answers: `otherwise` says nothing then, and an answer is needed all the same. A
   * sentence says why.
   */
  readonly needed?: (answers: Answers) => string | boolean;
  /** Taken if nothing is given. Without it an answer is needed; the empty text is none. */
  readonly otherwise?: (answers: Answers, probes: Probes) => string | Promise<string>;
  /** The answers that there are, some of them only where `when` says so. */
  readonly choices?: readonly (readonly [value: string, meaning: string, when?: (answers: Answers) => boolean])[];
  /** After the setting's own rules. */
  readonly check?: (text: string, answers: Answers, probes: Probes) => Promise<Verdict>;
}

/** The answer that means none, where something else stands in brackets. */
export const NONE = "-";

const itemsOf = (text: string): string[] => text.split(",").map((item) => item.trim()).filter(Boolean); // prettier-ignore
/** A list is given as words between commas, labels as name=value, perhaps as JSON; the schema takes JSON. */
export const asSetting = (key: string, text: string): string => {
  if (LISTS.includes(key)) return JSON.stringify(itemsOf(text));
  if (!LABELS.includes(key) || text.startsWith("{")) return text;
  const labels = itemsOf(text).map((item) => item.split(/\s*=\s*(.*)/, 2));
  // Without a value it is no label, and the schema says so.
  return labels.every(({ length }) => length === 2) ? JSON.stringify(Object.fromEntries(labels)) : text;
};
const LISTS = ["applications", "databaseRanges", "edgeMetricsAllow", "edgeTrustedProxies", "vaultRanges"];
const LABELS = ["podMonitorLabels"];

export const choicesOf = ({ choices }: Question, answers: Answers) =>
  choices?.filter(([, , when]) => when?.(answers) !== false);

/** The rules of the setting itself, and then the question's own. */
export async function judge(question: Question, text: string, answers: Answers, probes: Probes): Promise<Verdict> {
  const { key, otherwise, check, optional, needed } = question;
  const choices = choicesOf(question, answers);
  if (text === NONE) return optional ? { better: "" } : { wrong: "an answer is needed" };
  if (text === "") {
    const why = otherwise === undefined || needed?.(answers);
    return why ? { wrong: `an answer is needed${typeof why === "string" ? `: ${why}` : ""}` } : {};
  }
  if (choices !== undefined && !choices.some(([value]) => value === text))
    return { wrong: `must be one of ${choices.map(([value]) => value).join(", ")}` };
  const verdict = (await check?.(text, answers, probes)) ?? {};
  if (verdict.wrong !== undefined) return verdict;
  const setting = (schema.shape as Record<string, (typeof schema.shape)[keyof typeof schema.shape] | undefined>)[key];
  const result = setting?.safeParse(asSetting(key, verdict.better ?? text));
  if (result?.success === false) return { wrong: wrongIn(result.error.issues, text) };
  return verdict;
}

/** Of a list, the item that is meant comes first. */
function wrongIn([issue]: readonly { path: readonly PropertyKey[]; message: string }[], text: string): string {
  if (issue === undefined) return "is not valid";
  const [index] = issue.path;
  return typeof index === "number" ? `${itemsOf(text)[index] ?? ""} ${issue.message}` : issue.message;
}
