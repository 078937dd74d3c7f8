import assert from "node:assert/strict";
import { jsonbText, membersOf } from "../../src/log/jsonb-text.js";
import { type TestDatabase, createDatabase } from "../support/database.js";

const NUMBERS = [
  ...["0", "-0", "-0.0", "0.00", "1.0", "1.50", "1e2", "1.5e3", "1E+5", "1e0", "0e5", "0e-5", "1e-7", "1.5e-3"],
  ...["100e-2", "1.234e2", "-1.234E1", "12345678901234567890.123456789", "5e-324", "1.7976931348623157e308", "1e400"],
];
const TEXTS = [
  ...['""', '"\\u0001\\u001f\\u007f\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\u00e9\\ud83d\\ude00é😀"', '"\u2028\u2029\ufeff"'],
  ...["{}", "[]", '{"a":[]}', '{"bb":1,"a":2,"é":3,"aaa":4,"a":5}', '{"😀":1,"zzzz":2,"ÿÿ":3,"":4}', "null", "true"],
  ...[' [ 1 ,\t2 , {"x" : null} ,\r\n true,false ] ', '{"\\u0061b":{"10":1,"9":2,"__proto__":3}}'],
];

describe("the text of JSON as PostgreSQL stores it", () => {
  let database: TestDatabase;
  before(async () => {
    database = await createDatabase({ migrated: false });
  });
  after(() => database.drop());

  it("is PostgreSQL's own", async () => {
    for (const json of [...NUMBERS, ...TEXTS]) {
      const [row] = await database.query<{ text: string }>("SELECT $1::jsonb::text AS text", [json]);
      assert.equal(jsonbText(json), row?.text, json);
    }
  });

  it("is refused for what is no JSON", () => {
    for (const json of [
      "",
      "{",
      "[1,]",
      '{"a" 1}',
      "01",
      "1.",
      "nul",
      '"\n"',
      '"\\x"',
      "1 2",
      "{}}",
      "1e1000000000",
      "[".repeat(501),
    ])
      assert.throws(() => jsonbText(json), SyntaxError, json);
  });

  it("takes long texts and deep values, and passes over deeper ones", () => {
    const long = `"${"\\n\\u0041x".repeat(1_000_000)}"`;
    assert.equal(jsonbText(long).length, long.length - 5_000_000);
    const deep = "[".repeat(100_000) + "]".repeat(100_000);
    assert.equal(membersOf(`{"data": ${deep} }`).get("data"), deep);
    assert.throws(() => jsonbText(deep), /deeper than 500 levels/);
  });

  it("has members as they are spelt", () => {
    assert.deepEqual([...membersOf('{ "a" : 1.50 , "b":{"c":[1, 2]} }')], [["a", "1.50"], ["b", '{"c":[1, 2]}']]); // prettier-ignore
  });
});
