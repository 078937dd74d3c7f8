/** One line of the benchmark's table. */
export interface Row {
  readonly area: string;
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  /** What it is compared with. */
  readonly peer: string;
  readonly peerValue: number;
  /** ours / peerValue. */
  readonly ratio: number;
  /** What `ratio` or `ours` has to be, in words. */
  readonly goal: string;
  readonly met: boolean;
}

const rounded = (value: number): number => Number(value.toPrecision(4));

/** A row whose goal is a ratio to a peer that was measured in the same run. */
export function ratioRow(
  name: string,
  unit: string,
  ours: number,
  peer: string,
  peerValue: number,
  atLeast: number,
): Row {
  const ratio = ours / peerValue;
  return {
    area: "audit-svc",
    name,
    unit,
    ours: rounded(ours),
    peer,
    peerValue: rounded(peerValue),
    ratio: rounded(ratio),
    goal: `ratio >= ${atLeast}`,
    met: ratio >= atLeast,
  };
}

/** A row whose goal is a bound that must not be exceeded. */
export function boundRow(name: string, unit: string, ours: number, bound: number): Row {
  return {
    area: "audit-svc",
    name,
    unit,
    ours: rounded(ours),
    peer: "bound",
    peerValue: bound,
    ratio: rounded(ours / bound),
    goal: `<= ${bound} ${unit}`,
    met: ours <= bound,
  };
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}
