import { Failure } from "./failure";

/**
 * The address of the stack's state, with `sslmode=verify-full` where it names no mode: the driver's own default, `require`, gives the
 * password to whoever answers first.
 *
 * @throws Failure when its password breaks it: the CLI then repeats a part of it, `invalid port ":…"`, which no mask knows
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
