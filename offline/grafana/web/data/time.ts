/** A span of time in milliseconds since 1970. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = {
  ms: 0.001,
  s: 1,
  m: 60,
  h: 3600,
  d: 86400,
  w: 604800,
  M: 2592000,
  y: 31536000,
};

/** Seconds of a duration such as `30s` or `1h`; undefined for anything else. */
export function seconds(text: string | null | undefined): number | undefined {
  const match = /^>?\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w|M|y)?$/.exec((text ?? "").trim());
  return match === null ? undefined : Number(match[1]) * (UNIT_SECONDS[match[2] ?? "s"] ?? 1);
}

/** A duration the way Prometheus writes it, in its largest whole unit. */
export function durationText(length: number): string {
  if (length < 1) return `${Math.max(1, Math.round(length * 1000))}ms`;
  const whole = Math.round(length);
  for (const unit of ["d", "h", "m"] as const) {
    const size = UNIT_SECONDS[unit] ?? 1;
    if (whole >= size && whole % size === 0) return `${whole / size}${unit}`;
  }
  return `${whole}s`;
}

function startOf(time: number, unit: string): number {
  const date = new Date(time);
  if (unit === "d" || unit === "w" || unit === "M" || unit === "y") date.setHours(0, 0, 0, 0);
  if (unit === "w") date.setDate(date.getDate() - ((date.getDay() + 6) % 7));
  if (unit === "M" || unit === "y") date.setDate(1);
  if (unit === "y") date.setMonth(0);
  if (unit === "h") date.setMinutes(0, 0, 0);
  if (unit === "m") date.setSeconds(0, 0);
  return date.getTime();
}

/** A moment as dashboards write it: `now`, `now-6h`, `now/d`, milliseconds, or a date. Undefined for anything else. */
export function moment(text: string, now: number): number | undefined {
  const match = /^now(?:([+-])(\d+)(s|m|h|d|w|M|y))?(?:\/(d|w|M|y|h|m))?$/.exec(text.trim());
  if (match !== null) {
    const [, sign = "-", count = "0", unit = "s", rounding] = match;
    const moved = now + (sign === "-" ? -1 : 1) * Number(count) * (UNIT_SECONDS[unit] ?? 1) * 1000;
    return rounding === undefined ? moved : startOf(moved, rounding);
  }
  if (/^\d{10,}$/.test(text)) return Number(text);
  const parsed = Date.parse(text);
  return Number.isNaN(parsed) ? undefined : parsed;
}

/** Steps that a person would choose, in seconds. */
const ROUND_STEPS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800,
  3600, 7200, 10800, 21600, 43200, 86400, 604800, 2592000, 31536000,
];

/** The nearest of the round steps to what `points` points in the range would need. */
function roundStep(range: Range, points: number): number {
  const exact = (range.to - range.from) / 1000 / Math.max(points, 1);
  return ROUND_STEPS.reduce((best, step) => (Math.abs(step - exact) < Math.abs(best - exact) ? step : best), 1);
}

export interface Intervals {
  /** Seconds between two points of a range query. */
  readonly interval: number;
  /** Window of a rate that holds at least four scrapes: `$__rate_interval`, in seconds. */
  readonly rateInterval: number;
}

/** @param scrape - seconds between two scrapes, as the data source says; @param least - the panel's or query's own least step */
export function intervals(range: Range, points: number, scrape: number, least?: number): Intervals {
  const interval = Math.max(roundStep(range, points), least ?? scrape);
  return { interval, rateInterval: Math.max(interval + scrape, 4 * scrape) };
}
