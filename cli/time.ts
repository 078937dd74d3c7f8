const UNITS = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
  [1, "s"],
] as const;

/** A length of time by its largest unit, as `17 min`; below a second `0 s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [size, unit] = UNITS.find(([each]) => whole >= each) ?? [1, "s"];
  return `${Math.floor(whole / size)} ${unit}`;
}

/** Seconds between two times; the later one first. */
export const secondsBetween = (later: Date, earlier: Date | string): number =>
  (later.getTime() - new Date(earlier).getTime()) / 1000;

export const ago = (now: Date, then: Date | string): string => `${duration(secondsBetween(now, then))} ago`;

/** A time to the second in UTC, `2026-11-30 19:40:13`. */
export const stamp = (time: Date | string): string => new Date(time).toISOString().slice(0, 19).replace("T", " ");

/** Whether a day, or a time of a day, is written as RFC 3339 does, and is one; JavaScript takes 30 February for 2 March. */
export function isTime(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/.test(text)) return false;
  const [day = ""] = text.split("T");
  if (Number.isNaN(Date.parse(day)) || Number.isNaN(Date.parse(text))) return false;
  return new Date(day).toISOString().startsWith(day);
}
