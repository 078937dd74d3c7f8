import { CommandError } from "../errors";
import { ago } from "../time";
import { bad, definePart, ok, warning } from "./part";

/** The service's secret as its metadata tells; nobody reads the secret itself here. */
export const vault = definePart({
  title: "vault",
  look: async ({ world }) => {
    const { vaultMount, vaultPath } = world.values;
    const path = `${vaultMount}/metadata/${vaultPath}`;
    const { sealed } = (await world.vault("none").request("GET", "sys/seal-status")) as { sealed?: boolean };
    if (sealed === true) return { sealed };
    const found = (await world.vault().request("GET", path)) as
      { data: { current_version: number; updated_time: string } } | undefined;
    if (found === undefined) throw new CommandError(`nothing at ${path}: no deploy has written the service's secret`);
    return { sealed: false, secret: `${vaultMount}/${vaultPath}`, version: found.data.current_version, written: found.data.updated_time }; // prettier-ignore
  },
  lines: ({ sealed, secret, version, written }, now) => {
    if (sealed) return [bad("sealed: what runs keeps its configuration, and nothing can be deployed")];
    if (written === undefined) return [warning("unknown")];
    return [ok(`unsealed; ${secret} is at version ${version}, written ${ago(now, written)}`)];
  },
});
