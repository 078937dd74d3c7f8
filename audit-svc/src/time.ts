const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** A moment, kept to the microsecond as PostgreSQL keeps it. */
export interface Moment {
  /** Milliseconds since 1970, rounded down. */
  readonly ms: number;
  /** `YYYY-MM-DDTHH:MM:SS.ffffffZ`, always UTC: two spellings of one moment give the same text, and text order is time order. */
  readonly iso: string;
}

/**
 * Parses an RFC 3339 time with an offset. Fractions are truncated to six digits. Returns `undefined` for anything else,
 * including days that do not exist and leap seconds.
 */
export function parseTime(text: string): Moment | undefined {
  const m = RFC3339.exec(text);
  if (m === null) return undefined;
  const year = Number(m[1]);
  const month = Number(m[2]);
  const day = Number(m[3]);
  const hour = Number(m[4]);
  const minute = Number(m[5]);
  const second = Number(m[6]);
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return undefined;
  const offsetHour = Number(m[9] ?? 0);
  const offsetMinute = Number(m[10] ?? 0);
  if (offsetHour > 23 || offsetMinute > 59) return undefined;
  const local = Date.UTC(year, month - 1, day, hour, minute, second);
  // Date.UTC reads years 0-99 as 1900-1999 and turns 31 April into 1 May; in both cases day or year differ from the
  // input.
  const check = new Date(local);
  if (check.getUTCFullYear() !== year || check.getUTCDate() !== day) return undefined;
  const offset = (offsetHour * 60 + offsetMinute) * 60_000 * (m[8] === "-" ? -1 : 1);
  const fraction = (m[7] ?? "").padEnd(6, "0").slice(0, 6);
  const ms = local - offset + Number(fraction.slice(0, 3));
  // Nearly every event is in UTC already, so its digits can be used unchanged.
  if (offset === 0) return { ms, iso: `${text.slice(0, 10)}T${text.slice(11, 19)}.${fraction}Z` };
  const utc = new Date(local - offset);
  const full = utc.getUTCFullYear();
  if (full < 0 || full > 9999) return undefined;
  return { ms, iso: `${utc.toISOString().slice(0, 19)}.${fraction}Z` };
}
