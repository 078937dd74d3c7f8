import { defineCommand } from "../command";
import { EXIT } from "../errors";

export const doctor = defineCommand<{ "vault-settings": string | undefined; all: boolean; only: string[] | undefined }>(
  {
    usage: "doctor",
    about: "looks at everything that a deploy needs, and changes nothing",
    examples: [
      ["audit doctor", "before a first deploy, and when something is wrong"],
      ["audit doctor --vault-settings vault.json", "with GITLAB_TOKEN also GitLab, and all of bootstrap"],
      ["audit doctor --only vm --only images --json", "for programs, of two subjects"],
      ["audit doctor --stack cluster --only cluster", "of a stack on a cluster, whether that has what a deploy needs"],
    ],
    options: (parser) =>
      parser
        .option("vault-settings", {
          ...{ type: "string", requiresArg: true },
          describe: "settings of bootstrap/vault.ts, to look at GitLab and at all of Vault",
        } as const)
        .option("only", {
          ...{ type: "string", array: true, requiresArg: true },
          describe: "a check or a group of them by the beginning of its name, as --json shows it; may be repeated",
        } as const)
        .option("all", { type: "boolean", default: false, describe: "also what was not looked at, and why" } as const),
    run: async ({ "vault-settings": settings, all, only }, { output, world: open }) => {
      const { runDoctor } = await import("../doctor/doctor.js");
      const results = await runDoctor(await open({ settings: "file" }), { settings, only });
      const { reportText } = await import("../doctor/report.js");
      const failed = results.some(({ level }) => level === "failure");
      output.answer({ ok: !failed, checks: results }, reportText(results, output.style, all));
      return failed ? EXIT.failed : EXIT.ok;
    },
  },
);
