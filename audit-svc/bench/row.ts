/** One benchmark's result, in the common format of all areas. */
export interface Row {
  readonly area: string;
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  /** What it is compared with; `bound` for a fixed limit rather than a measured peer. */
  readonly peer: string;
  readonly peerValue: number;
  /** ours / peerValue. */
  readonly ratio: number;
  /** What `ratio` or `ours` has to be. */
  readonly goal: string;
  readonly met: boolean;
}

/** The benchmarks of one part of the project: one file in this directory. */
export interface Area {
  readonly name: string;
  /** Names that `make bench ONLY=name` takes, beside the area's own. */
  readonly benches: readonly string[];
  /** Runs only if it is named, because not every sandbox has what it measures. */
  readonly named?: boolean;
  /**
   * Runs the named benches, one after the other.
   *
   * @param quick run briefly: the figures are shown but too rough to judge by
   * @returns each row as soon as it is known, so that a later bench that fails takes none of them along
   * @throws Error if a bench could not run at all
   */
  run(benches: readonly string[], quick: boolean): Iterable<Row> | AsyncIterable<Row>;
}

/** A measured value, before it becomes a row. */
export interface Measured {
  readonly area: string;
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
}

/** A row whose goal is a ratio to a peer measured in the same run. */
export function ratioRow(measured: Measured, peer: string, peerValue: number, atLeast: number): Row {
  return against(measured, peer, peerValue, (ratio) => [`ratio >= ${atLeast}`, ratio >= atLeast]);
}

/** Like {@link ratioRow}, for values where less is better. */
export function atMostRow(measured: Measured, peer: string, peerValue: number, atMost: number): Row {
  return against(measured, peer, peerValue, (ratio) => [`ratio <= ${rounded(atMost)}`, ratio <= atMost]);
}

/** A row without a goal, for a comparison that nobody promised to win. */
export const shownRow = (measured: Measured, peer: string, peerValue: number): Row =>
  against(measured, peer, peerValue, () => ["shown", true]);

function against(
  measured: Measured,
  peer: string,
  peerValue: number,
  judge: (ratio: number) => [string, boolean],
): Row {
  const ratio = measured.ours / peerValue;
  const [goal, met] = judge(ratio);
  return {
    ...measured,
    ours: rounded(measured.ours),
    peer,
    peerValue: rounded(peerValue),
    ratio: rounded(ratio),
    goal,
    met,
  };
}

/** A row whose goal is a limit that must not be exceeded. A measured `peer` is shown beside it. */
export function boundRow(measured: Measured, bound: number, peer?: { name: string; value: number }): Row {
  const peerValue = peer?.value ?? bound;
  return {
    ...measured,
    ours: rounded(measured.ours),
    peer: peer?.name ?? "bound",
    peerValue: rounded(peerValue),
    // If both are 0, they are equal.
    ratio: measured.ours === peerValue ? 1 : rounded(measured.ours / peerValue),
    goal: `<= ${bound} ${measured.unit}`,
    met: measured.ours <= bound,
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

const rounded = (value: number): number => Number(value.toPrecision(4));
