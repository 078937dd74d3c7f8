import assert from "node:assert/strict";
import { imageByDigest } from "../../../lib/image-reference";
import { bareHost, inUrl, sshTarget } from "../../../lib/network-address";
import { parseSettings } from "../../../config";
import { valueOf } from "../support/program";
import { digest, good, problems } from "../support/settings";

describe("addresses in the configuration", () => {
  const read = (changes: Record<string, string>) => parseSettings({ ...good, ...changes });

  describe("IPv6", () => {
    it("is accepted as a host, with or without brackets", () => {
      assert.equal(read({ "audit:databaseHost": "2001:db8::5" }).database.server.host, "2001:db8::5");
      assert.equal(read({ "audit:databaseHost": "[2001:db8::5]" }).database.server.host, "2001:db8::5");
      assert.equal(read({ "audit:databaseAdminHost": "::1" }).database.admin.host, "::1");
    });

    it("is accepted in brackets in URLs and before a port", () => {
      const changes = {
        "audit:hostAddress": "ssh://deploy@[2001:db8::5]",
        "audit:prometheusHost": "ssh://deploy@[2001:db8::6]:2222",
        "audit:metricsAddress": "[2001:db8::7]:9145",
        "audit:serviceUrl": "https://[2001:db8::7]",
        "audit:vaultAddress": "https://[2001:db8::8]:8200/",
      };
      assert.deepEqual(problems(changes), []);
      assert.equal(read(changes).vault.server.address, "https://[2001:db8::8]:8200");
    });

    const wrong: [Record<string, string>, RegExp][] = [
      [{ "audit:databaseHost": "2001:db8::5::6" }, /^audit:databaseHost must be a valid host name or address/],
      [{ "audit:databaseHost": "[2001:db8::5]:5432" }, /^audit:databaseHost must be a valid host name or address/],
      [{ "audit:hostAddress": "ssh://deploy@2001:db8::5" }, /^audit:hostAddress must be ssh:/],
      [{ "audit:metricsAddress": "2001:db8::7:9145" }, /^audit:metricsAddress must be host:port, or \[IPv6/],
      [{ "audit:metricsAddress": "[2001:db8::7]" }, /^audit:metricsAddress must be host:port/],
      [{ "audit:serviceUrl": "https://[audit]" }, /^audit:serviceUrl must be http:/],
    ];
    for (const [change, message] of wrong) {
      it(`is refused as ${Object.values(change).join("")}`, () => {
        const [first = ""] = problems(change);
        assert.match(first, message);
      });
    }

    it("has brackets in a URL and none for ssh", () => {
      assert.equal(inUrl("2001:db8::5"), "[2001:db8::5]");
      assert.equal(inUrl("db.example.test"), "db.example.test");
      assert.equal(bareHost(new URL("https://[2001:db8::5]:8443").hostname), "2001:db8::5");
      assert.deepEqual(sshTarget("ssh://deploy@[2001:db8::5]:2222"), {
        port: ["-p", "2222"],
        destination: "deploy@2001:db8::5",
      });
      assert.deepEqual(sshTarget("ssh://deploy@vm2.example.test"), {
        port: [],
        destination: "deploy@vm2.example.test",
      });
    });
  });

  describe("a URL", () => {
    it("may have a path, for a service below a proxy's root", () => {
      const settings = read({
        "audit:prometheusUrl": "https://monitor.example.test/prometheus/",
        "audit:grafanaUrl": "https://monitor.example.test/grafana",
        "audit:vaultAddress": "https://proxy.example.test:8443/team/vault",
      });
      assert.equal(settings.monitoring.prometheus.url, "https://monitor.example.test/prometheus");
      assert.equal(settings.monitoring.grafana.url, "https://monitor.example.test/grafana");
      assert.equal(settings.vault.server.address, "https://proxy.example.test:8443/team/vault");
    });

    const urls = [
      ...["vaultAddress", "vaultAgentAddress", "serviceUrl", "prometheusUrl", "grafanaUrl", "grafanaPublicUrl"],
      ...["runbookUrl"],
    ];
    for (const key of urls) {
      for (const url of [
        "https://robot:s3cret-word@host.example.test",
        "https://robot:s3cret/word@host.example.test/x",
      ]) {
        it(`with a login is refused as ${key} without repeating it: ${url.includes("t/w") ? "slash" : "plain"}`, () => {
          const [first = "", ...more] = problems({ [`audit:${key}`]: url });
          assert.match(first, new RegExp(`^audit:${key} must .*(login)`));
          assert.deepEqual(more, []);
          assert.doesNotMatch(first, /s3cret|robot/);
        });
      }
    }

    it("gets a lower-case scheme and host, so that HTTP:// does not bypass a check", () => {
      assert.equal(
        read({ "audit:vaultAddress": "HTTPS://Vault.Example.test/Team" }).vault.server.address,
        "https://vault.example.test/Team",
      );
      const [clear = "", ...more] = problems({ "audit:serviceUrl": "HTTP://audit.example.test" });
      assert.match(clear, /^audit:serviceUrl begins with http:/);
      assert.deepEqual(more, []);
      const tls = { "audit:tls": "vault", "audit:tlsPkiRole": "edge" };
      assert.deepEqual(problems({ ...tls, "audit:serviceUrl": "HTTPS://audit.example.test" }), []);
    });

    it("of the runbook, which alerts show to everybody, has neither query nor fragment", () => {
      for (const url of ["https://git.example.test/runbook.md?token=SECRET", "https://git.example.test/r.md#SECRET"]) {
        assert.deepEqual(problems({ "audit:runbookUrl": url }), [
          "audit:runbookUrl must be the address of docs/runbook.md as people open it, without a login, query or fragment",
        ]);
      }
      assert.deepEqual(problems({ "audit:runbookUrl": "https://git.example.test/team/-/blob/main/r%20.md" }), []);
    });

    for (const url of [
      "https://host/x?y=1",
      "https://host/x#y",
      "https://host:99999",
      "https://host:0",
      "https://ho st",
      "https://host/../x",
      "https://host/a//b",
      "ftp://host",
      "host",
      'https://host/"',
    ]) {
      it(`is refused as ${url}`, () => assert.equal(problems({ "audit:grafanaUrl": url }).length, 1));
    }
  });

  describe("a host that no URL parser takes, or that it takes for another,", () => {
    const hosts = [
      "10.0.0.256",
      "999.1.2.3",
      "1.2.3.4.5",
      "1.2.3",
      "010.0.0.1",
      "xn--a.test",
      "db.1",
      "[fe80::1%25eth0]",
      "[fe80::1%eth0]",
    ];
    const keys: [string, (host: string) => string][] = [
      ["databaseHost", (host) => host],
      ["databaseAdminHost", (host) => host.replace(/[[\]]/g, "")],
      ["vaultAddress", (host) => `https://${host}:8200`],
      ["serviceUrl", (host) => `https://${host}`],
      ["metricsAddress", (host) => `${host}:9145`],
      ["hostAddress", (host) => `ssh://deploy@${host}`],
    ];
    for (const [key, spell] of keys) {
      it(`is refused by name as ${key}`, () => {
        for (const host of hosts) {
          const [first = "", ...more] = problems({ [`audit:${key}`]: spell(host) });
          assert.match(first, new RegExp(`^audit:${key} must be `), host);
          assert.deepEqual(more, [], host);
        }
      });
    }

    it("is not an address, a name with digits, or one with a dot at its end", () => {
      for (const host of ["10.0.0.25", "db1.example.test", "3com.example", "db.example.test.", "my_db"])
        assert.deepEqual(problems({ "audit:databaseHost": host, "audit:vaultAddress": `https://${host}:8200` }), []);
    });
  });

  describe("an image", () => {
    const name = (text: string) => {
      const image = imageByDigest(text);
      return typeof image === "string" ? image : image.name;
    };
    it("has one normalized form, without tag, with a lower-case registry", () => {
      assert.equal(name(`harbor.example.test/hub/nginx:1.29@${digest}`), `harbor.example.test/hub/nginx@${digest}`);
      assert.equal(
        name(`Harbor.Example.test:8443/hub/nginx@${digest}`),
        `harbor.example.test:8443/hub/nginx@${digest}`,
      );
      assert.equal(name(`nginx:1.29@${digest}`), `docker.io/library/nginx@${digest}`);
      assert.equal(name(`prom/prometheus@${digest}`), `docker.io/prom/prometheus@${digest}`);
      assert.equal(name(`localhost:5000/a/b@${digest}`), `localhost:5000/a/b@${digest}`);
      assert.equal(name(`[2001:db8::5]:5000/a@${digest}`), `[2001:db8::5]:5000/a@${digest}`);
    });

    it("uses the login for its own registry", () => {
      const image = imageByDigest(`prom/prometheus:v3@${digest}`);
      assert.ok(typeof image !== "string");
      assert.deepEqual([image.registry, image.repository, image.digest], ["docker.io", "prom/prometheus", digest]);
    });

    for (const [text, message] of [
      [`harbor.example.test/Hub/nginx@${digest}`, /no usable name after its registry/],
      [`harbor.example.test/hub/nginx@${digest.toUpperCase()}`, /by digest/],
      [`harbor.example.test/@${digest}`, /no usable name/],
      [`https://harbor.example.test/hub/nginx@${digest}`, /no usable/],
      [`-harbor.test/hub/nginx@${digest}`, /no usable registry/],
      [`harbor.example.test/hub/nginx:1.29`, /by digest/],
    ] as const) {
      it(`is refused as ${text.slice(0, 40)}`, () => assert.match(name(text), message));
    }

    it("is refused without repeating it, because it may contain a password", () => {
      for (const text of ["h.com:SECRET/b", "robot:SECRET@h.com/b", "h.com/SECRET:x/b", "h.com/b:SECRET/"]) {
        assert.match(name(`${text}@${digest}`), /^(has no|must name)/, text);
        assert.doesNotMatch(name(`${text}@${digest}`), /SECRET/, text);
      }
    });

    it("is treated the same everywhere in the configuration", async () => {
      const settings = read({
        "audit:image": `Harbor.Example.test/audit/audit-svc:1.0@${digest}`,
        "audit:edgeImage": `nginx:1.29@${digest}`,
        "audit:registryUsername": "robot",
        "audit:registryPassword": "word\n",
      });
      assert.equal(settings.service.spec.image, `harbor.example.test/audit/audit-svc@${digest}`);
      assert.equal(settings.edge.images.nginx, `docker.io/library/nginx@${digest}`);
      assert.ok(settings.vm.registry);
      assert.equal(await valueOf(settings.vm.registry.password), "word");
    });
  });
});
