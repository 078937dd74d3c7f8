import { dockerRun, quote } from "./shell";
import type { Slot } from "./release";

/** What the scripts on the VM work with. */
export interface CutoverContext {
  /** Image with `sh` and `wget`. */
  tools: string;
  /** Docker network of the replicas' main port. */
  frontNetwork: string;
  /** Docker volume of the flag file. */
  flagVolume: string;
  /** Seconds that a replica has from its start until it must be ready. */
  readyDeadline: number;
  /** Path that answers 200 once a replica can store events. */
  readyPath: string;
}

/** What a release has to report before it is put in charge, besides being ready. */
export interface Gate {
  /** Docker volume and name of the configuration file as it was rendered, and the numeric group that may read it. */
  config: { volume: string; file: string; group: string };
  /** Version to which `migrate` brought the schema; undefined when it said none. */
  schemaVersion: number | undefined;
}

/** Name of the file whose presence in the flag volume puts green in charge. */
export const FLAG = "green";

const CHANGE: Record<Slot, string> = {
  // A flag that is there is left alone: it is read-only, and root without capabilities may not write to it either.
  green: `[ -e /flag/${FLAG} ] || { : > /flag/${FLAG}; chmod 0444 /flag/${FLAG}; }`,
  blue: `rm -f /flag/${FLAG}`,
};

/**
 * The container beside a switch. The script on the VM has docker, but no HTTP client, and no right to the flag volume; so it asks a
 * one-shot that has both, by lines on standard input. Each question is answered by one line:
 *
 * - `take-over`: this deploy decides from now on; answers which slot serves, `blue` or `green`
 * - `await URL`: `ready`, or after a second or two what is missing
 * - `charge SLOT`: puts it in charge, `done`; `overtaken` when another deploy has taken over since, or why it could not be done
 * - `mine`: which slot serves, or `overtaken`
 *
 * With a gate, what an answer of the URL reports must be right as well; an image that reports no digest or no schema version
 * (audit-svc/CONTRACT.md) is taken at its word.
 *
 * @param gate the configuration file, mounted here, and the least version of the schema
 * @returns shell text whose `$0` is the name of this deploy
 */
export function helperScript(gate?: { configFile: string; schemaVersion: number | undefined }): string {
  const digest =
    gate === undefined
      ? []
      : [
          `want=$(sha256sum ${quote(gate.configFile)} | cut -c 1-64)`,
          `case "$body" in *'"digest"'*) case "$body" in *"$want"*) ;; *) why="works with another configuration than the one rendered, sha256 $want: $body"; return 1 ;; esac ;; esac`,
        ];
  const schema =
    gate?.schemaVersion === undefined
      ? []
      : [
          `got=$(printf %s "$body" | sed -n 's/.*"schemaVersion": *\\([0-9]*\\).*/\\1/p')`,
          `[ "\${got:-${gate.schemaVersion}}" -ge ${gate.schemaVersion} ] || { why="sees version $got of the schema, and migrate made ${gate.schemaVersion}"; return 1; }`,
        ];
  const asked = `body=$(wget -q -T 2 -O - "$1" 2> /tmp/error) || { why="does not answer 2xx: $(tail -n 1 /tmp/error)"; return 1; }`;
  return [
    // Looking at the owner and deciding become one step by this file.
    "lock() { exec 9> /flag/lock; flock 9; }",
    `serving() { if [ -e /flag/${FLAG} ]; then echo green; else echo blue; fi; }`,
    "me=$0",
    'mine() { [ "$(cat /flag/owner)" = "$me" ]; }',
    `right() { ${[asked, ...digest, ...schema].join("; ")}; }`,
    'await() { end=$(( $(date +%s) + 1 )); until right "$1"; do if [ "$(date +%s)" -gt "$end" ]; then printf "%s %s" "$1" "$why" | tr "\\n" " "; echo; return; fi; sleep 0.1; done; echo ready; }',
    `charge() { lock; mine || { echo overtaken; return; }; case "$1" in green) ${CHANGE.green} ;; blue) ${CHANGE.blue} ;; esac; if [ "$(serving)" = "$1" ]; then echo done; else echo "the flag cannot be changed"; fi; }`,
    [
      'while read -r question about; do case "$question" in',
      'take-over) (lock; printf %s "$me" > /flag/owner; serving) ;;',
      'await) await "$about" ;;',
      'charge) (charge "$about") ;;',
      "mine) if mine; then serving; else echo overtaken; fi ;;",
      "esac; done",
    ].join(" "),
  ].join("; ");
}

/**
 * Shell text that runs steps beside the helper. They have `ask QUESTION...`, which leaves the answer in `$answer`; their standard
 * input is empty.
 */
export function besideHelper(steps: readonly string[], context: CutoverContext, gate?: Gate): string {
  const helper = dockerRun({
    image: context.tools,
    entrypoint: "sh",
    interactive: true,
    network: context.frontNetwork,
    volumes: [`${context.flagVolume}:/flag`, ...(gate === undefined ? [] : [`${gate.config.volume}:/config:ro`])],
    // Root without capabilities, whom the flag volume belongs to, and in the group for whom the configuration is.
    groups: gate === undefined ? [] : [gate.config.group],
    command: [
      "-c",
      helperScript(gate && { configFile: `/config/${gate.config.file}`, schemaVersion: gate.schemaVersion }),
    ],
  });
  return [
    // A deploy that was killed can leave its script running on the VM. Whoever comes later writes its name into the flag volume, and
    // a script that finds another's name there has nothing to decide any more.
    "me=$(cat /proc/sys/kernel/random/uuid)",
    "lines=$(mktemp -d)",
    'mkfifo "$lines/questions"',
    `${helper} "$me" < "$lines/questions" | {`,
    'exec 3> "$lines/questions" 4<&0 < /dev/null',
    'rm -r "$lines"',
    // The helper ends when nobody can ask it any more: however this script ends.
    'ask() { answer=; echo "$*" >&3; read -r answer <&4 || { echo "the one-shot on the VM that the switch needs has ended" >&2; exit 1; }; }',
    'mine() { [ "$answer" != overtaken ] || { echo "another deploy has begun in the meantime; this one decides nothing more" >&2; exit 1; }; }',
    ...steps,
    "}",
  ].join("\n");
}
