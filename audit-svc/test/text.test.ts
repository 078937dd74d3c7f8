import assert from "node:assert/strict";
import { unseenIn } from "../src/text.js";

describe("names", () => {
  const good: [string, string][] = [
    ["a Persian surname with U+200C", "علی\u200cزاده"],
    ["a Persian plural with U+200C", "خانه\u200cها"],
    ["Sinhala with U+200D after a mark", "ශ්\u200dරී"],
    ["Bengali with U+200D before a mark", "র\u200d্যাব"],
    ["Hindi with U+200C after a mark", "क्\u200cष"],
    ["a family of emoji", "👨\u200d👩\u200d👧"],
    ["an emoji with a colour of skin and a part", "👩🏽\u200d💻"],
    ["an emoji with a selector before the joiner", "🏳\ufe0f\u200d🌈"],
    ["an emoji with selectors on both sides", "👁\ufe0f\u200d🗨\ufe0f"],
    ["an emoji of letters and digits", "ℹ\ufe0f 1\ufe0f\u20e3 #\ufe0f\u20e3"],
    ["a heart at the end", "anna ❤\ufe0f"],
    ["a Japanese name with a variant of its character", "葛\u{e0100}城"],
    ["a mathematical variant", "∩\ufe00"],
    ["accents apart from their letters", "e\u0301"],
  ];
  for (const [what, text] of good) it(`may have ${what}`, () => assert.equal(unseenIn(text), undefined));

  const bad: [string, string, string][] = [
    ["a joiner at the beginning", "\u200cعلی", "U+200C"],
    ["a joiner at the end", "علی\u200c", "U+200C"],
    ["two joiners", "علی\u200c\u200cزاده", "U+200C"],
    ["two different joiners", "علی\u200c\u200dزاده", "U+200C"],
    ["a joiner between Latin letters", "ad\u200dmin", "U+200D"],
    ["a joiner between Cyrillic letters", "ад\u200cмин", "U+200C"],
    ["a joiner between accents", "e\u0301\u200c\u0301", "U+200C"],
    ["a joiner beside a blank", "علی\u200c زاده", "U+200C"],
    ["a joiner at the end of an emoji", "👨\u200d", "U+200D"],
    ["a selector at the beginning", "\ufe0fa", "U+FE0F"],
    ["a selector after a blank", "a \ufe0f", "U+FE0F"],
    ["two selectors", "❤\ufe0f\ufe0f", "U+FE0F"],
    ["two selectors of different kinds", "葛\u{e0100}\ufe00", "U+FE00"],
    ["a selector after a Latin letter", "a\ufe0fb", "U+FE0F"],
    ["a braille blank", "a\u2800", "U+2800"],
    ["a soft hyphen", "ad\u00admin", "U+00AD"],
    ["half a surrogate pair", "علی\u200c\ud800", "U+200C"],
  ];
  for (const [what, text, code] of bad)
    it(`may not have ${what}`, () =>
      assert.equal(unseenIn(text), `${code}; control characters and those that hide or reverse text are refused`));

  it("are checked fast, however long", () => {
    const started = performance.now();
    for (let i = 0; i < 1000; i++) assert.equal(unseenIn("a".repeat(1024)), undefined);
    assert.equal(unseenIn("ی\u200c".repeat(500_000) + "ی"), undefined);
    assert.ok(performance.now() - started < 2_000, `${performance.now() - started} ms`);
  });
});
