/**
 * The address of the stack's state, with `sslmode=verify-full` where it names no mode: the driver's own default, `require`, gives the
 * password to whoever answers first.
 */
export function verifiedBackend(url: string): string {
  if (!/^postgres(ql)?:\/\//.test(url) || /[?&]sslmode=/.test(url)) return url;
  return `${url}${url.includes("?") ? "&" : "?"}sslmode=verify-full`;
}
