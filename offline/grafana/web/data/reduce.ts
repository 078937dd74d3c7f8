type Numbers = readonly (number | null)[];

interface Calculation {
  readonly name: string;
  run(values: Numbers): number | null;
}

const known = (values: Numbers) => values.filter((value): value is number => value !== null);
const over = (name: string, run: (values: readonly number[]) => number): Calculation => ({
  name,
  run: (values) => {
    const present = known(values);
    return present.length === 0 ? null : run(present);
  },
});

function deviation(values: readonly number[]): number {
  const mean = sum(values) / values.length;
  return Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / values.length);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Growth of a counter: a decrease means that it restarted from zero. */
function delta(values: readonly number[]): number {
  return values.reduce((total, value, index) => {
    const before = values[index - 1];
    if (before === undefined) return total;
    return total + (value >= before ? value - before : value);
  }, 0);
}

function percentile(share: number) {
  return (values: readonly number[]) => {
    const ordered = [...values].sort((left, right) => left - right);
    return ordered[Math.min(ordered.length - 1, Math.ceil(share * ordered.length) - 1)] ?? 0;
  };
}

const CALCULATIONS: Readonly<Record<string, Calculation>> = {
  lastNotNull: over("Last *", (values) => values[values.length - 1] ?? 0),
  last: { name: "Last", run: (values) => values[values.length - 1] ?? null },
  firstNotNull: over("First *", (values) => values[0] ?? 0),
  first: { name: "First", run: (values) => values[0] ?? null },
  min: over("Min", (values) => Math.min(...values)),
  max: over("Max", (values) => Math.max(...values)),
  mean: over("Mean", (values) => sum(values) / values.length),
  median: over("Median", percentile(0.5)),
  sum: over("Total", sum),
  count: { name: "Count", run: (values) => values.length },
  range: over("Range", (values) => Math.max(...values) - Math.min(...values)),
  delta: over("Delta", delta),
  diff: over("Difference", (values) => (values[values.length - 1] ?? 0) - (values[0] ?? 0)),
  stdDev: over("StdDev", deviation),
  variance: over("Variance", (values) => deviation(values) ** 2),
  p50: over("50th %", percentile(0.5)),
  p90: over("90th %", percentile(0.9)),
  p95: over("95th %", percentile(0.95)),
  p99: over("99th %", percentile(0.99)),
};
const ALIASES: Readonly<Record<string, string>> = { current: "lastNotNull", avg: "mean", total: "sum" };

/** One value out of many. Null where there is none, and for a calculation that is not known. */
export function reduce(values: Numbers, calculation: string): number | null {
  return CALCULATIONS[ALIASES[calculation] ?? calculation]?.run(values) ?? null;
}

/** A calculation's name in a legend; its id if it is unknown. */
export function calculationName(calculation: string): string {
  return CALCULATIONS[ALIASES[calculation] ?? calculation]?.name ?? calculation;
}

/** Whether a calculation's result has the unit of the values. */
export function keepsUnit(calculation: string): boolean {
  return calculation !== "count";
}
