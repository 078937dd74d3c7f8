import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { rootCertificates } from "node:tls";
import { defaultLimits, parseConfig, readConfig } from "../src/config.js";

const database = { host: "db", port: 5432, name: "audit", user: "u", password: "p\u0000ä", sslmode: "disable" };
const block = (label: string, content: string): string =>
  `-----BEGIN ${label}-----\n${content}\n-----END ${label}-----`;
const [certificate = ""] = rootCertificates;
const token = { name: "t", sha256: "a".repeat(64), role: "writer" };
const parse = (value: unknown): unknown => parseConfig(Buffer.from(JSON.stringify(value)));

describe("configuration file", () => {
  it("is read with its defaults and the digest of its bytes", () => {
    const bytes = Buffer.from(
      JSON.stringify({ database: { host: "db", name: "a", user: "u", password: "p" }, limits: { readers: 9 } }),
    );
    assert.deepEqual(parseConfig(bytes), {
      database: { host: "db", port: 5432, name: "a", user: "u", password: "p", sslmode: "disable" },
      tokens: [],
      limits: { ...defaultLimits, readers: 9 },
      digest: createHash("sha256").update(bytes).digest("hex"),
    });
    assert.equal(defaultLimits.bodyBytes, 1_048_576);
  });

  it("takes authorities' certificates as they are, whatever is written between them", () => {
    const caCertificate = `# company\r\n${certificate}\r\n\n${certificate}\n`;
    const config = parseConfig(Buffer.from(JSON.stringify({ database: { ...database, caCertificate } })));
    assert.equal(config.database.caCertificate, caCertificate);
  });

  const refused: [string, unknown, string][] = [
    ["no database", {}, "configuration: the file: must have required properties database."],
    ["a list", [], "configuration: the file: must be object."],
    [
      "a missing user",
      { database: { ...database, user: undefined } },
      "configuration: database: must have required properties user.",
    ],
    ["an unknown setting", { database, tokns: [] }, "configuration: tokns: there is no such setting."],
    [
      "an unknown setting within",
      { database: { ...database, passwd: "x" } },
      "configuration: database.passwd: there is no such setting.",
    ],
    ["a port as text", { database: { ...database, port: "5432" } }, "configuration: database.port: must be integer."],
    ["a port too high", { database: { ...database, port: 70_000 } }, "configuration: database.port: must be <= 65535."],
    [
      "an unknown sslmode",
      { database: { ...database, sslmode: "prefer" } },
      "configuration: database.sslmode: must be equal to one of the allowed values.",
    ],
    [
      "an authority's certificate that is none",
      { database: { ...database, caCertificate: "/etc/ssl/ca.pem" } },
      "configuration: database.caCertificate: must be PEM text with one or more certificates, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.",
    ],
    [
      "a private key among the authorities' certificates",
      { database: { ...database, caCertificate: `${certificate}\n${block("PRIVATE KEY", "MIGH")}` } },
      "configuration: database.caCertificate: must hold certificates alone; block 2 is something else.",
    ],
    [
      "an authority's certificate that was cut off",
      { database: { ...database, caCertificate: `${certificate}\n${block("CERTIFICATE", "MIIB")}` } },
      "configuration: database.caCertificate: certificate 2 cannot be read; copy the file again.",
    ],
    [
      "a role that is none",
      { database, tokens: [{ ...token, role: "admin" }] },
      "configuration: tokens.0.role: must be equal to one of the allowed values.",
    ],
    [
      "a token itself",
      { database, tokens: [{ ...token, sha256: "tok" }] },
      'configuration: tokens.0.sha256: must match pattern "^[0-9a-fA-F]{64}$".',
    ],
    [
      "one hash twice",
      { database, tokens: [token, { ...token, name: "v", sha256: "A".repeat(64) }] },
      'configuration: tokens: "v" has the same sha256 as another token.',
    ],
    ["a limit of zero", { database, limits: { writers: 0 } }, "configuration: limits.writers: must be >= 1."],
    [
      "a limit that is no whole number",
      { database, limits: { queueEvents: 1.5 } },
      "configuration: limits.queueEvents: must be integer.",
    ],
  ];
  for (const [what, value, message] of refused) {
    it(`refuses ${what}`, () => assert.throws(() => parse(value), { name: "UserError", message }));
  }

  it("never repeats the password in a message", () => {
    const text = '{"database":{"password":"hunter2" oops';
    assert.throws(() => parseConfig(Buffer.from(text)), {
      name: "UserError",
      message: "configuration: the file is not valid JSON in UTF-8.",
    });
    assert.throws(() => parseConfig(Buffer.from([0x22, 0xff, 0x22])), {
      message: "configuration: the file is not valid JSON in UTF-8.",
    });
  });

  it("says when it cannot be read", async () => {
    await assert.rejects(readConfig("/nowhere/config.json"), {
      name: "UserError",
      message: "configuration: cannot read /nowhere/config.json: ENOENT.",
    });
  });
});
