import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { harborOf } from "../../../ci/lib/harbor";

describe("ci: Harbor's settings", () => {
  const four = {
    HARBOR_HOST: "harbor.example.com",
    HARBOR_PROJECT: "audit",
    HARBOR_USERNAME: "robot$ci",
    HARBOR_PASSWORD: "of-gitlab",
  };
  const inVault = { values: { ...four, HARBOR_PASSWORD: "of-vault" }, where: "secret/ci/audit/publish" };

  it("come from GitLab's variables first", () => {
    assert.equal(harborOf(four, inVault)?.password, "of-gitlab");
    assert.equal(harborOf(four)?.url, "https://harbor.example.com");
    assert.equal(harborOf({ ...four, HARBOR_URL: "https://harbor.example.com" })?.insecure, false);
    assert.equal(harborOf({ ...four, HARBOR_URL: "http://harbor.example.com" })?.insecure, true);
  });

  it("include the port, which GitLab's integration leaves out of HARBOR_HOST", () => {
    const at = (env: object) => {
      const { host, url, insecure } = harborOf({ ...four, ...env }) ?? {};
      return [host, url, insecure];
    };
    const onPort = ["harbor.example.com:8443", "https://harbor.example.com:8443", false];
    assert.deepEqual(at({ HARBOR_URL: "https://harbor.example.com:8443" }), onPort);
    assert.deepEqual(at({ HARBOR_URL: "https://Harbor.example.com:8443/" }), onPort);
    assert.deepEqual(at({ HARBOR_HOST: "harbor.example.com:8443" }), onPort);
    assert.deepEqual(at({ HARBOR_HOST: "harbor.example.com:8443", HARBOR_URL: "https://harbor.example.com:8443" }), onPort); // prettier-ignore
    assert.deepEqual(at({ HARBOR_HOST: "harbor.example.com:80", HARBOR_URL: "http://harbor.example.com" }), [
      "harbor.example.com",
      "http://harbor.example.com",
      true,
    ]);
    assert.deepEqual(at({ HARBOR_HOST: "[2001:db8::5]", HARBOR_URL: "https://[2001:db8::5]:8443" }), [
      "[2001:db8::5]:8443",
      "https://[2001:db8::5]:8443",
      false,
    ]);
  });

  it("name one host: the password must not be sent to another", () => {
    const refused = (env: object, message: string) => assert.throws(() => harborOf({ ...four, ...env }), { message });
    for (const url of ["https://other.example.com", "https://harbor.example.com.other.example"])
      refused({ HARBOR_URL: url }, `HARBOR_HOST names harbor.example.com, but HARBOR_URL ${new URL(url).host}; make them name the same place`); // prettier-ignore
    refused(
      { HARBOR_HOST: "harbor.example.com:8443", HARBOR_URL: "https://harbor.example.com" },
      "HARBOR_HOST names harbor.example.com:8443, but HARBOR_URL harbor.example.com; make them name the same place",
    );
  });

  it("contain an address and nothing more; a login in it is not repeated", () => {
    const more = ", nothing more: the name of an image has no place for a path or a login";
    for (const url of [
      "harbor.example.com:8443",
      "oci://harbor.example.com",
      "https://robot:of-the-robot@harbor.example.com",
      "https://harbor.example.com/harbor/projects",
    ])
      // prettier-ignore
      assert.throws(() => harborOf({ ...four, HARBOR_URL: url }), {
        message: `HARBOR_URL must be http:// or https://, a host and an optional port${more}`,
      });
    for (const host of [
      "https://harbor.example.com",
      "harbor.example.com/audit",
      "robot:of-the-robot@harbor.example.com",
      "a b",
    ])
      // prettier-ignore
      assert.throws(() => harborOf({ ...four, HARBOR_HOST: host }), {
        message: `HARBOR_HOST must be a host and an optional port${more}`,
      });
  });

  it("lose a trailing line break from a file or form; one within is refused", () => {
    const pasted = Object.fromEntries(Object.entries(four).map(([name, value]) => [name, ` ${value}\r\n`]));
    assert.deepEqual(harborOf(pasted), harborOf(four));
    assert.equal(harborOf({}, { values: pasted, where: "" })?.password, "of-gitlab");
    assert.throws(() => harborOf({ ...four, HARBOR_PASSWORD: "of\ngitlab" }), {
      message: "HARBOR_PASSWORD has a line break or another control character within it; set it again, as one line",
    });
  });

  it("then from Vault", () => {
    assert.equal(harborOf({ HARBOR_HOST: "" }, inVault)?.password, "of-vault");
    assert.equal(harborOf({}, { values: {}, where: "" }), undefined);
  });

  it("are never mixed from both", () => {
    const three = { ...four, HARBOR_PASSWORD: "" };
    assert.throws(() => harborOf(three, inVault), {
      message:
        "HARBOR_PASSWORD missing in CI variables (Harbor integration or project); the four HARBOR_ settings go together",
    });
  });
});
