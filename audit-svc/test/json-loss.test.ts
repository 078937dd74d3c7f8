import assert from "node:assert/strict";
import { findLoss } from "../src/json-loss.js";

const NUMBER = "is a number that a double does not hold, so it would be stored changed; send it as a string";
const TWICE = "is there twice in one object; send it once";
const find = (text: string): ReturnType<typeof findLoss> => findLoss(text, JSON.parse(text));

describe("what JSON.parse loses", () => {
  const lossy: [string, (string | number)[], string][] = [
    ['{"amount":12345678901234.5678}', ["amount"], NUMBER],
    ['[{"data":{}},{"data":{"a":[0,{"b c":1e400}]}}]', [1, "data", "a", 1, "b c"], NUMBER],
    ['{"a":-1e400}', ["a"], NUMBER],
    ['{"a":1e-400}', ["a"], NUMBER],
    ['{"a":9007199254740993}', ["a"], NUMBER],
    ['{"a":0.10000000000000000001}', ["a"], NUMBER],
    ['{"a":1.00000000000000001}', ["a"], NUMBER],
    ['{"a":1.2345678901234567890E5}', ["a"], NUMBER],
    ['{"a":19.989999999999999}', ["a"], NUMBER],
    ['{"a":0.100000000000000006}', ["a"], NUMBER],
    ['{"a":-0}', ["a"], NUMBER],
    ['{"a":[1, -0.00e7]}', ["a", 1], NUMBER],
    [`{"a":1${"0".repeat(400)}}`, ["a"], NUMBER],
    ['{"a":1,"a":1}', ["a"], TWICE],
    ['{"a":1,"\\u0061":2}', ["a"], TWICE],
    ['{"b":{"":1,"c":[{},{"x":1, "y" : 2 ,"x":1}]}}', ["b", "c", 1, "x"], TWICE],
    ['{"a":{"x":1,"y":2},"a":{"x":1}}', ["a"], TWICE],
    ['{"\\"a\\\\":1,"b":":","\\"a\\\\":2}', ['"a\\'], TWICE],
    ['{"__proto__":1,"__proto__":1}', ["__proto__"], TWICE],
  ];
  for (const [text, path, message] of lossy) {
    it(`is seen in ${text.slice(0, 60)}`, () => assert.deepEqual(find(text), { path, message }));
  }

  const whole = [
    "null",
    "[]",
    '"a:b"',
    '{"a":0,"b":-1,"c":0.1,"d":12.50,"e":1.0,"f":-0.5}',
    '{"a":1e2,"b":1E+2,"c":5e-324,"d":1.7976931348623157e308,"e":0e99999,"f":-1.5e-7}',
    '{"a":0.30000000000000004,"b":123456789.123456,"c":0.000000000000000000001,"d":9007199254740991}',
    '{"a":0.10000000000000001,"b":19.989999999999998,"c":-1.0000000000000001e-05}',
    '{"a":4.940656458412465e-324,"b":4.9406564584124654e-324,"c":1.7976931348623157e+308,"d":0.69999999999999996}',
    '{"a":"12345678901234.5678 1e400 -0","b":"{\\"b\\":1,\\"b\\":2}","c":"\\\\","d":"\\\\\\""}',
    '[{"a":1},{"a":1},{"a":{"a":[{"a":true},{"a":false},{"a":null}]}}]',
    '{"a" :\t1 ,\r\n "b": [ 1 , "x:y" , { } ] }',
    '{"constructor":1,"toString":2,"__proto__":3}',
  ];
  for (const text of whole) it(`is nothing in ${text.slice(0, 60)}`, () => assert.equal(find(text), undefined));

  it("is found at once in numbers of a megabyte, and among very many", () => {
    const long = `[1${"0".repeat(1_000_000)}1]`;
    const many = `[${Array.from({ length: 250_000 }, () => "1e0").join()}]`;
    const started = performance.now();
    assert.deepEqual(find(long), { path: [0], message: NUMBER });
    assert.equal(find(many), undefined);
    assert.ok(performance.now() - started < 3_000, `${performance.now() - started} ms`);
  });

  it("is found as often as each number's own spelling says, for thousands of numbers", () => {
    // A seeded generator, so that a failure can be reproduced.
    let seed = 42;
    const next = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    const digits = (count: number): string => Array.from({ length: count }, () => next(10)).join("");
    let lost = 0;
    for (let round = 0; round < 20_000; round++) {
      const whole = `${1 + next(9)}${digits(next(18))}`;
      const fraction = next(2) === 0 ? "" : digits(1 + next(18));
      const exponent = next(3) === 0 ? next(60) - 30 : 0;
      const literal = `${whole}${fraction === "" ? "" : `.${fraction}`}${exponent === 0 ? "" : `e${exponent}`}`;
      // Compared exactly with integers: both sides multiplied by the same power of ten.
      const scale = 60n;
      const exact = BigInt(whole + fraction) * 10n ** (scale + BigInt(exponent - fraction.length));
      // The shortest spelling of the double, and those of 17 and 16 digits.
      const held = [undefined, 16, 15].some((fractionDigits) => {
        const [mantissa = "", power = "0"] = Number(literal).toExponential(fractionDigits).split("e");
        const [head = "", tail = ""] = mantissa.split(".");
        return BigInt(head + tail) * 10n ** (scale + BigInt(Number(power) - tail.length)) === exact;
      });
      assert.equal(find(`[1,${literal}]`) === undefined, held, literal);
      if (!held) lost += 1;
    }
    assert.ok(lost > 5_000 && lost < 19_000, `${lost} of 20,000`);
  });
});
