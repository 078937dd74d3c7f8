import assert from "node:assert/strict";
import { Screen } from "../../support/screen";

describe("the screen of suites that run side by side", () => {
  it("shows one as it goes, and the others when it is free", () => {
    let shown = "";
    const screen = new Screen((text) => (shown += text));
    const [first, second, third] = [screen.sheet(), screen.sheet(), screen.sheet()];
    first.print("a1 ");
    second.print("b1 ");
    first.print("a2 ");
    assert.equal(shown, "a1 a2 ");
    second.end();
    third.print("c1 ");
    first.end();
    assert.equal(shown, "a1 a2 b1 ", "what has ended follows at once");
    third.print("c2 ");
    assert.equal(shown, "a1 a2 b1 c1 c2 ", "what goes on takes the screen with its next line");
    third.end();
  });

  it("shows what ends without another after it", () => {
    let shown = "";
    const screen = new Screen((text) => (shown += text));
    const [first, second] = [screen.sheet(), screen.sheet()];
    first.print("a ");
    second.print("b ");
    first.end();
    second.end();
    assert.equal(shown, "a b ");
  });
});
