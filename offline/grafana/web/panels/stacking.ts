export type Column = (number | null)[];

export interface Layer {
  readonly values: Column;
  readonly mode: "none" | "normal" | "percent";
  /** Layers of one group are put on top of each other. */
  readonly group: string;
}

/**
 * What is drawn for each layer: its own values, or the sum of those below it and itself; in percent of the whole stack at
 * each moment where that is asked for. A moment without any value stays empty, a missing value inside a stack counts as 0.
 */
export function stack(layers: readonly Layer[]): { drawn: Column[]; below: (number | undefined)[] } {
  const drawn: Column[] = [];
  const below: (number | undefined)[] = [];
  const tops = new Map<string, number>();
  const totals = new Map<string, Column>();
  for (const { group, values, mode } of layers) {
    if (mode !== "percent") continue;
    const total = totals.get(group) ?? values.map(() => null);
    totals.set(
      group,
      total.map((sum, index) =>
        values[index] === null || values[index] === undefined ? sum : (sum ?? 0) + Math.abs(values[index]),
      ),
    );
  }
  layers.forEach(({ group, values, mode }, index) => {
    if (mode === "none") {
      drawn.push([...values]);
      below.push(undefined);
      return;
    }
    const under = tops.get(group);
    const total = totals.get(group);
    const members = layers.filter((layer) => layer.group === group && layer.mode !== "none");
    drawn.push(
      values.map((value, at) => {
        const isEmpty = members.every((member) => (member.values[at] ?? null) === null);
        if (isEmpty) return null;
        const whole = total?.[at] ?? 0;
        const own = mode === "percent" ? (whole === 0 ? 0 : (Math.abs(value ?? 0) / whole) * 100) : (value ?? 0);
        return own + (under === undefined ? 0 : (drawn[under]?.[at] ?? 0));
      }),
    );
    below.push(under);
    tops.set(group, index);
  });
  return { drawn, below };
}
