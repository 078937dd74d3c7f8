import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fillTemplate, inQuotes } from "../../../lib/templates";

describe("a template", () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "templates-"))));
  afterEach(() => rmSync(directory, { recursive: true }));

  const fill = (files: Record<string, string>, view: object, write?: (value: unknown) => string) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    return fillTemplate(join(directory, Object.keys(files)[0] ?? ""), view, write);
  };

  it("includes others of its directory, and indents them", () => {
    const files = { "a.conf": "{\n    {{> b.conf}}\n}\n", "b.conf": "{{! no line }}\none {{x}};\n\ntwo;\n" };
    assert.equal(fill(files, { x: 0 }), "{\n    one 0;\n\n    two;\n}\n");
  });

  it("writes values as they are, or escaped for quotes", () => {
    assert.equal(fill({ "a.conf": "{{x}}" }, { x: `<'&"\\>` }), `<'&"\\>`);
    assert.equal(fill({ "a.hcl": '"{{x}}"' }, { x: `a "b" \\` }, inQuotes), '"a \\"b\\" \\\\"');
  });

  it("leaves Vault Agent's own braces alone", () => {
    assert.equal(fill({ "a.ctmpl": "{{ .Data }} <% x %>" }, { x: "{{ .y }}" }), "{{ .Data }} {{ .y }}");
  });

  it("fails for a value that is not given", () => {
    assert.throws(() => fill({ "a.conf": "listen {{prot}};" }, { port: 1 }), {
      message: "the template asks for prot, which is not given",
    });
  });
});
