import { parser } from "@prometheus-io/lezer-promql";

export interface ParsedQuery {
  /** Names of the series it selects. */
  readonly series: string[];
  /** Functions that are called. */
  readonly calls: string[];
}

/**
 * Parses with the grammar of Prometheus's own editor.
 *
 * @throws Error with the place where the text is no PromQL
 */
export function parsePromql(expr: string): ParsedQuery {
  const series: string[] = [];
  const calls: string[] = [];
  parser.parse(expr).iterate({
    enter(node) {
      if (node.type.isError)
        throw new Error(`No PromQL at ${node.from}: ${expr.slice(0, node.from)}»${expr.slice(node.from)}`);
      if (node.name === "VectorSelector") {
        const identifier = node.node.getChild("Identifier");
        if (identifier === null) throw new Error(`A selector without a name: ${expr.slice(node.from, node.to)}`);
        series.push(expr.slice(identifier.from, identifier.to));
      }
      if (node.name === "FunctionIdentifier") calls.push(expr.slice(node.from, node.to));
    },
  });
  return { series, calls };
}
