/** A number as people read it; the unit stands apart, so that a big figure can show it small. */
export interface Formatted {
  readonly prefix: string;
  readonly text: string;
  readonly suffix: string;
}

type Formatter = (value: number, decimals: number | undefined) => Formatted;

/** As many digits after the point as tell two neighbouring values of this size apart. */
function autoDecimals(value: number): number {
  const size = Math.abs(value);
  if (size === 0 || Number.isInteger(value)) return 0;
  if (size >= 100) return 0;
  if (size >= 10) return 1;
  if (size >= 1) return 2;
  return Math.min(8, Math.ceil(-Math.log10(size)) + 1);
}

/** `decimals` digits after the point; without it as many as make sense, and no trailing zeros. */
export function fixed(value: number, decimals: number | undefined): string {
  if (!Number.isFinite(value)) return String(value);
  if (decimals !== undefined) return value.toFixed(Math.max(0, Math.min(decimals, 20)));
  return String(Number(value.toFixed(autoDecimals(value))));
}

const plain =
  (suffix = "", prefix = ""): Formatter =>
  (value, decimals) => ({ prefix, text: fixed(value, decimals), suffix });

/** Steps of `factor` with a name each; `low` are names for values below one. */
const scaled =
  (factor: number, names: readonly string[], unit: string, low: readonly string[] = []): Formatter =>
  (value, decimals) => {
    let size = value;
    let step = 0;
    while (Math.abs(size) >= factor && step < names.length - 1) {
      size /= factor;
      step += 1;
    }
    while (size !== 0 && Math.abs(size) < 1 && -step < low.length) {
      size *= factor;
      step -= 1;
    }
    const name = step >= 0 ? (names[step] ?? "") : (low[-step - 1] ?? "");
    return { prefix: "", text: fixed(size, decimals), suffix: `${name}${unit}` };
  };

const SI = ["", "k", "M", "G", "T", "P"];
const SHORT = ["", " K", " Mil", " Bil", " Tri", " Quadr"];
const IEC = [" B", " KiB", " MiB", " GiB", " TiB", " PiB"];
const rate = (name: string): Formatter =>
  scaled(
    1000,
    SI.map((step) => (step === "" ? " " : ` ${step === "k" ? "K" : step}`)),
    name,
  );
const si = (name: string, low: readonly string[] = []): Formatter =>
  scaled(
    1000,
    SI.map((step) => ` ${step}`),
    name,
    low.map((step) => ` ${step}`),
  );

/** Lengths of time from seconds upwards; each unit is used up to the next one. */
const TIMES = [
  { seconds: 1e-9, name: " ns" },
  { seconds: 1e-6, name: " µs" },
  { seconds: 1e-3, name: " ms" },
  { seconds: 1, name: " s" },
  { seconds: 60, name: " mins" },
  { seconds: 3600, name: " hours" },
  { seconds: 86400, name: " days" },
  { seconds: 604800, name: " weeks" },
  { seconds: 31536000, name: " years" },
];

const duration =
  (unitSeconds: number): Formatter =>
  (value, decimals) => {
    const seconds = Math.abs(value) * unitSeconds;
    const found = [...TIMES].reverse().find((unit) => seconds >= unit.seconds && unit.seconds >= unitSeconds * 1e-9);
    const own = TIMES.find((unit) => Math.abs(unit.seconds / unitSeconds - 1) < 1e-6) ?? {
      seconds: unitSeconds,
      name: "",
    };
    const unit = seconds === 0 ? own : (found ?? TIMES[0] ?? own);
    return {
      prefix: "",
      text: fixed((value * unitSeconds) / unit.seconds, decimals),
      suffix: seconds === 0 ? unit.name : unit.name,
    };
  };

/** A length of time in words: `2 days, 3 hours`. */
const words: Formatter = (value) => {
  let left = Math.abs(value);
  const parts: string[] = [];
  for (const [seconds, name] of [
    [31536000, "year"],
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
    [1, "second"],
  ] as const) {
    const count = Math.floor(left / seconds);
    if (count > 0 && parts.length < 2) parts.push(`${count} ${name}${count === 1 ? "" : "s"}`);
    left -= count * seconds;
  }
  return { prefix: "", text: parts.join(", ") || "0 seconds", suffix: "" };
};

/** `3 minutes ago`, `in 2 hours`. Milliseconds since 1970. */
export function fromNow(milliseconds: number, now = Date.now()): string {
  const seconds = (milliseconds - now) / 1000;
  const size = Math.abs(seconds);
  const [count, name] =
    size < 45
      ? [0, "a few seconds"]
      : size < 90
        ? [0, "a minute"]
        : size < 2700
          ? [Math.round(size / 60), "minutes"]
          : size < 5400
            ? [0, "an hour"]
            : size < 79200
              ? [Math.round(size / 3600), "hours"]
              : size < 129600
                ? [0, "a day"]
                : size < 2246400
                  ? [Math.round(size / 86400), "days"]
                  : size < 3888000
                    ? [0, "a month"]
                    : size < 27648000
                      ? [Math.round(size / 2592000), "months"]
                      : size < 47304000
                        ? [0, "a year"]
                        : [Math.round(size / 31536000), "years"];
  const text = count === 0 ? String(name) : `${count} ${name}`;
  return seconds > 0 ? `in ${text}` : `${text} ago`;
}

const two = (value: number) => String(value).padStart(2, "0");

/** `2026-01-31 14:05:09` in the browser's time zone. */
export function dateTime(milliseconds: number): string {
  const date = new Date(milliseconds);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

const words2 =
  (yes: string, no: string): Formatter =>
  (value) => ({ prefix: "", text: value === 0 ? no : yes, suffix: "" });

const UNITS: Readonly<Record<string, Formatter>> = {
  "": plain(),
  none: plain(),
  string: plain(),
  short: scaled(1000, SHORT, ""),
  sishort: scaled(1000, ["", " k", " M", " G", " T", " P"], "", [" m", " µ", " n"]),
  percent: plain("%"),
  percentunit: (value, decimals) => ({ prefix: "", text: fixed(value * 100, decimals), suffix: "%" }),
  locale: (value, decimals) => ({
    prefix: "",
    text: value.toLocaleString("en", { maximumFractionDigits: decimals ?? autoDecimals(value) }),
    suffix: "",
  }),
  bool: words2("True", "False"),
  bool_yes_no: words2("Yes", "No"),
  bool_on_off: words2("On", "Off"),
  bytes: scaled(1024, IEC, ""),
  decbytes: si("B"),
  bits: scaled(1024, [" b", " Kib", " Mib", " Gib", " Tib", " Pib"], ""),
  decbits: si("b"),
  kbytes: (value, decimals) => scaled(1024, IEC, "")(value * 1024, decimals),
  mbytes: (value, decimals) => scaled(1024, IEC, "")(value * 1048576, decimals),
  binBps: scaled(
    1024,
    IEC.map((name) => `${name}/s`),
    "",
  ),
  Bps: si("B/s"),
  bps: si("b/s"),
  pps: si("p/s"),
  hertz: si("Hz", ["m", "µ"]),
  watt: si("W"),
  celsius: plain(" °C"),
  ...Object.fromEntries(
    [
      ["reqps", "req/s"],
      ["rps", "reads/s"],
      ["wps", "writes/s"],
      ["ops", "ops/s"],
      ["iops", "io/s"],
      ["cps", "c/s"],
      ["eps", "evt/s"],
      ["mps", "msg/s"],
      ["recps", "rec/s"],
      ["rowsps", "rows/s"],
      ["opm", "ops/min"],
      ["cpm", "c/min"],
      ["reqpm", "req/min"],
    ].map(([unit = "", name = ""]) => [unit, rate(name)]),
  ),
  ns: duration(1e-9),
  µs: duration(1e-6),
  ms: duration(1e-3),
  s: duration(1),
  m: duration(60),
  h: duration(3600),
  d: duration(86400),
  dtdurations: words,
  dtdurationms: (value, decimals) => words(value / 1000, decimals),
  clocks: words,
  dateTimeFromNow: (value) => ({ prefix: "", text: fromNow(value), suffix: "" }),
  dateTimeAsIso: (value) => ({ prefix: "", text: dateTime(value), suffix: "" }),
  dateTimeAsIsoNoDateIfToday: (value) => {
    const text = dateTime(value);
    const today = dateTime(Date.now()).slice(0, 10);
    return { prefix: "", text: text.startsWith(today) ? text.slice(11) : text, suffix: "" };
  },
  dateTimeAsSystem: (value) => ({ prefix: "", text: dateTime(value), suffix: "" }),
  currencyUSD: plain("", "$"),
  currencyEUR: plain("", "€"),
  currencyRUB: plain(" ₽"),
};

/** Formats a number in one of Grafana's units. One that is not known is put behind the figure, as Grafana does. */
export function formatValue(value: number, unit: string | undefined, decimals?: number): Formatted {
  const name = unit ?? "";
  const known = UNITS[name];
  if (known !== undefined) return known(value, decimals);
  const [kind, rest = ""] = [name.slice(0, name.indexOf(":")), name.slice(name.indexOf(":") + 1)];
  if (kind === "prefix") return plain("", rest)(value, decimals);
  if (kind === "suffix") return plain(` ${rest}`)(value, decimals);
  if (kind === "si") return si(rest)(value, decimals);
  if (kind === "time") return { prefix: "", text: dateTime(value), suffix: "" };
  return plain(` ${name}`)(value, decimals);
}

export function formatText(value: number, unit: string | undefined, decimals?: number): string {
  const { prefix, text, suffix } = formatValue(value, unit, decimals);
  return `${prefix}${text}${suffix}`;
}
