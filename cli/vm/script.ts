import { scriptLine } from "../../components/host/script-file";

/** The shell line that runs a script of this directory on the VM; nothing secret goes into its arguments. */
export const vmScript = (file: string, args: readonly (string | number)[] = []): string =>
  scriptLine(`../../cli/vm/${file}`, args);
