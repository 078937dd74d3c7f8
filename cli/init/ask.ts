import { CommandError, EXIT } from "../errors";
import { readAnswersFile } from "./answers-file";
import type { Probes } from "./probes";
import { choicesOf, judge, type Answers, type Question } from "./question";
import { QUESTIONS } from "./questions";

/** Answers, and what is doubtful about them: a sentence each, beginning with the key. */
export interface Given {
  readonly answers: Answers;
  readonly doubts: readonly string[];
}

/** How one question is put. @returns the answer, judged and with what was found out */
export type Put = (
  question: Question,
  otherwise: string | undefined,
  answers: Answers,
) => Promise<{ text: string; doubt?: string }>;

/** Goes through the questions in their order. */
export async function askAll(put: Put, probes: Probes, before: Answers): Promise<Given> {
  const answers: Record<string, string> = {};
  const doubts: string[] = [];
  for (const question of QUESTIONS) {
    if (question.when?.(answers) === false) continue;
    // Of an answer that is missing nothing can be made.
    const known = question.from === undefined || Boolean(answers[question.from]);
    const otherwise = before[question.key] ?? (known ? await question.otherwise?.(answers, probes) : "");
    const { text, doubt } = await put(question, otherwise, { ...before, ...answers });
    answers[question.key] = text;
    if (doubt !== undefined) doubts.push(`${question.key}: ${doubt}`);
  }
  return { answers, doubts };
}

/** Answers of a file, all judged before anything is said. @throws CommandError naming every mistake */
export async function fromFile(file: string, probes: Probes, before: Answers): Promise<Given> {
  const given = readAnswers(file);
  const wrong: string[] = Object.keys(given)
    .filter((key) => !QUESTIONS.some((question) => question.key === key))
    .map((key) => `${key}: there is no such question; \`audit init --questions\` lists them`);
  const put: Put = async (question, otherwise, answers) => {
    const text = given[question.key] ?? otherwise ?? "";
    const verdict = await judge(question, text, answers, probes);
    if (verdict.wrong !== undefined) wrong.push(`${question.key}: ${verdict.wrong}`);
    return { text: verdict.better ?? text, doubt: verdict.doubt };
  };
  const all = await askAll(put, probes, before);
  if (wrong.length > 0)
    throw new CommandError(
      `${file} cannot be used; nothing was written.\n${wrong.map((line) => `  - ${line}`).join("\n")}`,
    );
  return all;
}

function readAnswers(file: string): Record<string, string> {
  const value = readAnswersFile(file);
  if (value !== null && value !== undefined && (typeof value !== "object" || Array.isArray(value)))
    throw new CommandError(
      `--answers ${file} must have a key and its answer a line, such as hostAddress: ssh://deploy@vm2.example.com; \`audit init --questions\` lists the keys`,
      EXIT.usage,
    );
  return Object.fromEntries(
    entriesOf(value)
      // As an empty answer at a terminal, a key without a value takes what would be taken without it.
      .filter(([, each]) => each !== null)
      .map(([key, each]) => [
        key,
        Array.isArray(each) ? each.join(",") : typeof each === "string" ? each : JSON.stringify(each),
      ]),
  );
}

/** `gitlab: { url: … }` is the same as `gitlab.url: …`. */
const entriesOf = (value: unknown): [string, unknown][] =>
  Object.entries((value ?? {}) as Record<string, unknown>).flatMap(([key, each]): [string, unknown][] =>
    key === "gitlab" && typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.entries(each).map(([inner, one]) => [`${key}.${inner}`, one])
      : [[key, each]],
  );

/** At a terminal, question by question. Something doubtful is taken when it is given a second time. */
export async function atTerminal(probes: Probes, before: Answers): Promise<Given> {
  const { input, select } = await import("@inquirer/prompts");
  const context = { output: process.stderr };
  return askAll(
    async (question, otherwise, answers) => {
      const message = question.ask;
      const offered = choicesOf(question, answers);
      if (offered !== undefined) {
        const choices = offered.map(([value, meaning]) => ({ value, name: meaning }));
        return { text: await select({ message, choices, default: otherwise }, context) };
      }
      let last: { text: string; better?: string; doubt?: string } | undefined;
      const validate = async (text: string): Promise<true | string> => {
        if (text === last?.text && last.doubt !== undefined) return true;
        const { wrong, doubt, better } = await judge(question, text, answers, probes);
        last = { text, better, doubt };
        if (wrong !== undefined) return wrong;
        return doubt === undefined ? true : `${doubt}. Press Enter again to keep it all the same.`;
      };
      const text = await input({ message, default: otherwise === "" ? undefined : otherwise, validate }, context);
      return { text: last?.better ?? text, doubt: last?.doubt };
    },
    probes,
    before,
  );
}
