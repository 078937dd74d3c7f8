import { event } from "./events.js";

/** A request that must be refused with a 4xx and store nothing. */
export interface BadInput {
  readonly what: string;
  readonly body: string | Buffer;
  readonly type?: string;
  readonly headers?: Record<string, string>;
}

const FIELDS = ["application", "actor", "action", "resource", "outcome", "occurredAt"] as const;
const LIMITS: Record<string, number> = { application: 100, actor: 256, action: 128, resource: 1024 };
/** The ends of each range of characters that hide, reverse or break a text, and the odd ones out. */
const UNSEEN = [
  ...[0x80, 0x85, 0x9b, 0x9f, 0xad, 0x34f, 0x61c, 0x180e, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029],
  ...[
    0x202a, 0x202e, 0x2060, 0x2064, 0x2066, 0x2069, 0x206f, 0x3164, 0xfe00, 0xfeff, 0xfff9, 0xe0001, 0xe0041, 0xe007f,
  ],
  ...[0xe0100, 0xe01ef, 0x2800],
];
const json = (value: unknown): string => JSON.stringify(value);

/** A valid event's text with raw text inserted, which JSON.stringify could not write. */
function raw(field: string, text: string): string {
  return json(event({ [field]: "@@" })).replace('"@@"', text);
}

function* broken(): Generator<BadInput> {
  const good = json(event());
  for (let cut = 0; cut < good.length; cut += 6) yield { what: `JSON cut off after ${cut}`, body: good.slice(0, cut) };
  const texts = [
    "undefined",
    "NaN",
    "Infinity",
    "'a'",
    "{a:1}",
    "{'a':1}",
    "[1,]",
    '{"a":1,}',
    "01",
    "1.",
    ".5",
    "+1",
    "0x10",
    "// x\n{}",
    "/**/{}",
    "\u0000",
    "{}{}",
    "[[]",
    "]",
    "}",
    '"',
    "\\",
    '{"a"}',
    '{"a":}',
    "\u{feff}\u{feff}{}",
    `${good}x`,
    `x${good}`,
    `${good},${good}`,
  ];
  for (const body of texts) yield { what: `not JSON: ${json(body.slice(0, 20))}`, body };
  for (const body of [
    "null",
    "true",
    "1",
    '"text"',
    "[]",
    "[[]]",
    "[null]",
    "[1]",
    `[${good},null]`,
    `[[${good}]]`,
    '["a"]',
    "{}",
    "[{}]",
    "-0",
    "1e400",
  ]) {
    yield { what: `JSON that is no event: ${body.slice(0, 20)}`, body };
  }
  const lines = [
    `${good}\n{`,
    `${good}\nnull\n`,
    `[${good}]\n`,
    "\n\n",
    `${good},\n${good}`,
    `${good} ${good}`,
    `${good}\n\u0000\n`,
    `"a"\n${good}`,
    "1\n2\n3",
  ];
  for (const body of lines) yield { what: `bad NDJSON: ${json(body.slice(-12))}`, body, type: "application/x-ndjson" };
}

function* wrongTypes(): Generator<BadInput> {
  for (const field of FIELDS) {
    yield { what: `no ${field}`, body: json(event({ [field]: undefined })) };
    for (const value of [null, 0, 1.5, true, [], {}, ["x"], ""])
      yield { what: `${field} ${json(value)}`, body: json(event({ [field]: value })) };
  }
  for (const value of [
    null,
    1,
    true,
    [],
    {},
    "",
    "x",
    "not-a-uuid",
    "{9f1c2b34-0000-4000-8000-000000000000}",
    "9f1c2b34000040008000000000000000",
    "9f1c2b34-0000-4000-8000-00000000000g",
    "9f1c2b34-0000-4000-8000-0000000000001",
  ]) {
    yield { what: `id ${json(value)}`, body: json(event({ id: value })) };
  }
  yield { what: "id far in the future", body: json(event({ id: "0fffffff-ffff-7000-8000-000000000000" })) };
  yield { what: "id at the end of time", body: json(event({ id: "ffffffff-ffff-7fff-bfff-ffffffffffff" })) };
  for (const value of [null, 1, true, [], "{}", "x", [1]])
    yield { what: `data ${json(value)}`, body: json(event({ data: value })) };
  for (const key of [
    "Actor",
    "recordedAt",
    "constructor",
    "toString",
    "hasOwnProperty",
    "",
    "é",
    "a/b~c",
    "x".repeat(5000),
    "\u0000",
  ]) {
    yield { what: `unknown field ${json(key.slice(0, 20))}`, body: json({ ...event(), [key]: 1 }) };
  }
}

function* texts(): Generator<BadInput> {
  for (const [field, max] of Object.entries(LIMITS)) {
    yield { what: `${field} too long`, body: json(event({ [field]: "x".repeat(max + 1) })) };
    yield { what: `${field} far too long`, body: json(event({ [field]: "x".repeat(100_000) })) };
    for (const bad of [
      "\\u0000",
      "a\\u0000b",
      "\\n",
      "a\\tb",
      "\\u001b[31m",
      "\\u007f",
      "\\ud800",
      "a\\udc00",
      "\\ud800\\ud800",
      "\\udfff\\ud800",
      ...UNSEEN.map((code) => `a${String.fromCodePoint(code)}b`),
    ]) {
      yield { what: `${field} "${bad}"`, body: raw(field, `"${bad}"`) };
    }
  }
  const times = [
    "now",
    "2026",
    "2026-01-31",
    "2026-01-31T12:00:00",
    "2026-02-30T00:00:00Z",
    "2025-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-12-31T23:59:60Z",
    "2026-01-01 00:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z",
    "9999-12-31T23:59:59Z",
    "99999-01-01T00:00:00Z",
    "-infinity",
    "infinity",
    "epoch",
    "2026-01-01T00:00:00+99:00",
    "1767225600",
    "٢٠٢٦-01-01T00:00:00Z",
    "2026-01-01T00:00:00.Z",
    "2026-01-01T00:00:00Z\\u0000",
    "2026-01-01T00:00:00Z; DROP TABLE audit.events",
  ];
  for (const time of times) yield { what: `occurredAt ${time}`, body: raw("occurredAt", `"${time}"`) };
  for (const outcome of ["ok", "Success", "success ", "successful", "\\u0000", "constructor", "__proto__"]) {
    yield { what: `outcome ${outcome}`, body: raw("outcome", `"${outcome}"`) };
  }
}

function* data(): Generator<BadInput> {
  const nest = (depth: number, open: string, close: string): string =>
    `{"a":${open.repeat(depth)}1${close.repeat(depth)}}`;
  for (const depth of [32, 33, 100, 1000, 10_000, 50_000]) {
    yield { what: `${depth} arrays deep`, body: raw("data", nest(depth, "[", "]")) };
    yield { what: `${depth} objects deep`, body: raw("data", nest(depth, '{"a":', "}")) };
  }
  for (const number of [
    "1e309",
    "-1e400",
    "1e99999",
    "9007199254740992",
    "-9007199254740993",
    "1e308",
    "123456789012345678901234567890",
    "1e21",
    "9".repeat(5000),
    "12345678901234.5678",
    "0.12345678901234567890",
    "1.00000000000000001",
    "1e-400",
    "-0",
    "-0.0",
    "-0e1",
  ]) {
    yield { what: `number ${number.slice(0, 30)}`, body: raw("data", `{"n":${number}}`) };
    yield { what: `number ${number.slice(0, 30)} in a list`, body: raw("data", `{"n":[0,[${number}]]}`) };
  }
  for (const bad of ["\\u0000", "a\\u0000", "\\ud800", "\\udc00x", "\\ud83d"]) {
    yield { what: `data value "${bad}"`, body: raw("data", `{"a":"${bad}"}`) };
    yield { what: `data value in a list "${bad}"`, body: raw("data", `{"a":[["${bad}"]]}`) };
    yield { what: `data key "${bad}"`, body: raw("data", `{"${bad}":1}`) };
    yield { what: `data key further in "${bad}"`, body: raw("data", `{"a":{"b":{"${bad}":1}}}`) };
  }
  for (const text of [
    '{"__proto__":1}',
    '{"__proto__":{"admin":true}}',
    '{"a":{"__proto__":{}}}',
    '{"a":[{"__proto__":null}]}',
    '{"\\u005f_proto__":{"x":1}}',
  ]) {
    yield { what: `prototype key in data ${text}`, body: raw("data", text) };
  }
  for (const text of [
    '{"__proto__":{}}',
    '{"__proto__":{"application":"x","actor":"x"}}',
    '{"constructor":{"prototype":{}}}',
    '[{"__proto__":[]}]',
    '{"prototype":1}',
  ]) {
    yield { what: `prototype key for an event ${text}`, body: text };
    yield {
      what: `prototype key beside ${text}`,
      body: text.startsWith("[") ? text : `${json(event()).slice(0, -1)},${text.slice(1)}`,
    };
  }
  const twice = [
    ['{"amount":1,"amount":2}', "in data"],
    ['{"a":[{"b":1,"c":2,"b":1}]}', "further in"],
    ['{"a":1,"\\u0061":1}', "in another spelling"],
    ['{"a":1 , "a" : 1}', "with blanks"],
  ] as const;
  for (const [text, where] of twice) {
    yield { what: `a key twice ${where}`, body: raw("data", text) };
    yield { what: `a key twice ${where}, as NDJSON`, body: raw("data", text), type: "application/x-ndjson" };
    yield { what: `a key twice ${where}, in a batch`, body: `[${json(event())},${raw("data", text)}]` };
  }
  for (const field of ["id", "data", ...FIELDS]) {
    const good = event();
    const again = `${json(good).slice(0, -1)},${json(field)}:${json(good[field])}}`;
    yield { what: `${field} twice`, body: again };
    yield { what: `${field} twice, in a batch`, body: `[${again}]` };
  }
  yield { what: "data too big", body: json(event({ data: { a: "x".repeat(17_000) } })) };
  yield { what: "data too big in characters of three bytes", body: json(event({ data: { a: "語".repeat(6000) } })) };
  yield {
    what: "data with very many keys",
    body: json(event({ data: Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, i])) })),
  };
}

function* bytes(): Generator<BadInput> {
  const sequences = [
    [0xff],
    [0xfe],
    [0xc0, 0x80],
    [0xc3],
    [0xe2, 0x82],
    [0xf0, 0x9f, 0x98],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0x80],
    [0xf8, 0x88, 0x80, 0x80, 0x80],
    [0xc1, 0xbf],
    [0xe0, 0x80, 0x80],
  ];
  const [head = "", tail = ""] = json(event({ actor: "@@" })).split("@@");
  for (const sequence of sequences) {
    const name = Buffer.from(sequence).toString("hex");
    yield {
      what: `bytes ${name} in a text`,
      body: Buffer.concat([Buffer.from(head), Buffer.from(sequence), Buffer.from(tail)]),
    };
    yield {
      what: `bytes ${name} as NDJSON`,
      body: Buffer.concat([Buffer.from(`${json(event())}\n${head}`), Buffer.from(sequence), Buffer.from(tail)]),
      type: "application/x-ndjson",
    };
    yield { what: `bytes ${name} alone`, body: Buffer.from(sequence) };
  }
  yield { what: "UTF-16", body: Buffer.from(json(event()), "utf16le") };
  yield {
    what: "UTF-16 with a mark",
    body: Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(json(event()), "utf16le")]),
  };
  yield { what: "noise", body: Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) % 256)) };
  yield { what: "gzip", body: Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]) };
}

function* http(): Generator<BadInput> {
  const body = json(event());
  const types = [
    "",
    "text/plain",
    "text/html",
    "application/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/octet-stream",
    "application/jsonp",
    "application/json-patch+json",
    "application/ld+json",
    "json",
    "application/",
    "/json",
    "*/*",
    "application/json/x",
    "image/png",
    "application/x-ndjson2",
    "x".repeat(2000),
  ];
  for (const type of types) yield { what: `content type "${type.slice(0, 40)}"`, body, type };
  for (const charset of ["utf-16", "latin1", "utf-7", "iso-8859-1", "x"])
    yield { what: `charset ${charset}`, body, type: `application/json; charset=${charset}` };
  for (const encoding of ["gzip", "br", "deflate", "gzip, gzip", "x", "identity, gzip"])
    yield { what: `content encoding ${encoding}`, body, headers: { "content-encoding": encoding } };
  yield { what: "an empty body", body: "" };
  yield { what: "a body of blanks", body: " ".repeat(1000) };
  yield { what: "a body over the limit", body: body.padEnd(1_048_577) };
  yield { what: "a body far over the limit", body: Buffer.alloc(8_000_000, 0x20) };
  yield { what: "too many events", body: json(Array.from({ length: 1001 }, () => event({ data: {} }))) };
  yield {
    what: "too many lines",
    body: Array.from({ length: 1001 }, () => json(event({ data: {} }))).join("\n"),
    type: "application/x-ndjson",
  };
  yield {
    what: "a thousand events, the last one bad",
    body: json([...Array.from({ length: 999 }, () => event({ data: {} })), event({ actor: 1 })]),
  };
}

/** Bodies that must be refused. */
export function badInputs(): BadInput[] {
  return [...broken(), ...wrongTypes(), ...texts(), ...data(), ...bytes(), ...http()];
}
