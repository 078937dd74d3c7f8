import { Failure } from "./failure";

/** The CLI's variables that say how a state is compressed, by their present and their former names. */
const COMPRESSION = /^PULUMI_(DIY_BACKEND|SELF_MANAGED_STATE)_(GZIP|ZSTD)$/;

/**
 * Has the CLI compress the state, all of which it saves at each change (docs/decisions/0204), unless the environment
 * says how.
 */
export const compression = (env: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.keys(env).some((name) => COMPRESSION.test(name)) ? {} : { PULUMI_DIY_BACKEND_GZIP: "true" };

/**
 * The address of the stack's state, with `sslmode=verify-full` if it names no mode. The driver's default, `require`,
 * sends the password to any server that answers.
 *
 * @throws Failure if the password makes it unparsable: the CLI would then print a part of the password (`invalid port
 * ":…"`), which is not masked
 */
export function verifiedBackend(url: string): string {
  if (!/^postgres(ql)?:\/\//.test(url)) return url;
  const read = URL.canParse(url) ? new URL(url) : undefined;
  if (read?.hash !== "" || read.pathname.includes("@")) {
    throw new Failure(
      "PULUMI_BACKEND_URL cannot be read as an address; write / ? # @ : % in its password as %2F %3F %23 %40 %3A %25",
    );
  }
  if (/[?&]sslmode=/.test(url)) return url;
  return `${url}${url.includes("?") ? "&" : "?"}sslmode=verify-full`;
}
