import assert from "node:assert/strict";
import { leftOnTerminal, svgOf } from "../../../tools/terminal-picture";

const text = (written: string): string[] =>
  leftOnTerminal(written).map((cells) => cells.map(({ character }) => character).join(""));

describe("a picture of a terminal", () => {
  it("shows what is left when lines were redrawn", () => {
    assert.deepEqual(text("one\r\ntwo\r\n"), ["one", "two"]);
    assert.deepEqual(text("\u001b[?25la 1\r\nb 1\r\n\u001b[2K\u001b[1A\u001b[2K\u001b[1A\u001b[2K\u001b[Ga 2\r\nb 2\u001b[?25h"), ["a 2", "b 2"]); // prettier-ignore
    assert.deepEqual(text("long line\rshort\u001b[K"), ["short"]);
    assert.deepEqual(text("1\r\n2\r\n3\u001b[2A\r\u001b[Jx"), ["x"]);
    assert.deepEqual(text("x".repeat(112)), ["x".repeat(110), "xx"]);
  });

  it("has colours, bold and dim where the terminal had them, and every character in its column", () => {
    const left = leftOnTerminal("\u001b[1mtitle\u001b[0m  \u001b[32m✔\u001b[39m a & b\r\n\u001b[2mdim\u001b[22m plain");
    const svg = svgOf("audit <it>", left);
    const rows = [...svg.matchAll(/<text y="\d+">(.*)<\/text>/g)].map(([, row = ""]) => row);
    const spans = rows.map((row) =>
      [...row.matchAll(/<tspan x="([\d.]+)" textLength="([\d.]+)" fill="(#\w+)"( font-weight="bold")?>([^<]*)</g)].map(
        ([, x, length, colour, bold, words]) => [Number(x), Number(length), colour, bold !== undefined, words],
      ),
    );
    assert.deepEqual(spans, [
      [[16, 7.8, "#8b949e", false, "$"], [31.6, 78, "#d1d7e0", true, "audit\u00a0&#60;it&#62;"]],
      [[16, 39, "#d1d7e0", true, "title"], [70.6, 7.8, "#56d364", false, "✔"], [86.2, 39, "#d1d7e0", false, "a\u00a0&#38;\u00a0b"]],
      [[16, 23.4, "#8b949e", false, "dim"], [47.2, 39, "#d1d7e0", false, "plain"]],
    ]); // prettier-ignore
  });
});
