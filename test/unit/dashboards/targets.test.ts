import assert from "node:assert/strict";

import { targets } from "../../../dashboards";

const options = {
  address: "vm2.sandbox.test:9145",
  environment: "sandbox",
  replicas: [
    { name: "blue-2", release: "v2" },
    { name: "blue-1", release: "v2" },
  ],
};

const replica = (name: string) => ({
  targets: ["vm2.sandbox.test:9145"],
  labels: {
    __metrics_path__: `/metrics/${name}`,
    application: "audit-svc",
    environment: "sandbox",
    instance: `vm2.sandbox.test:9145/${name}`,
    job: "audit-svc",
    release: "v2",
    replica: name,
  },
});

const exporter = {
  targets: ["vm2.sandbox.test:9145"],
  labels: {
    __metrics_path__: "/metrics/nginx",
    application: "audit-svc",
    environment: "sandbox",
    instance: "vm2.sandbox.test:9145",
    job: "nginx",
    replica: "nginx",
  },
};

describe("Prometheus's targets", () => {
  it("may have an IPv6 address, in brackets", () => {
    const address = "[2001:db8::7]:9145";
    const [first] = JSON.parse(targets({ ...options, address })) as (typeof exporter)[];
    assert.deepEqual([first?.targets, first?.labels.instance], [[address], `${address}/blue-1`]);
    assert.throws(() => targets({ ...options, address: "2001:db8::7:9145" }), /must be host:port/);
  });

  it("are each replica and the exporter through the edge's metrics listener, ordered by name", () => {
    assert.equal(targets(options), `${JSON.stringify([replica("blue-1"), replica("blue-2"), exporter], null, 2)}\n`);
  });

  it("do not depend on the order in which replicas are given", () => {
    assert.equal(targets({ ...options, replicas: [...options.replicas].reverse() }), targets(options));
  });

  it("name the application and the edge's release if given", () => {
    const [only] = JSON.parse(targets({ ...options, replicas: [], release: "v2", application: "other" })) as unknown[];
    assert.deepEqual(only, {
      ...exporter,
      labels: { ...exporter.labels, application: "other", release: "v2" },
    });
  });

  it("include whatever else the listener serves, under separate jobs", () => {
    const all = JSON.parse(targets({ ...options, replicas: [], others: ["certificate"] })) as unknown[];
    assert.deepEqual(all, [
      exporter,
      {
        targets: ["vm2.sandbox.test:9145"],
        labels: {
          __metrics_path__: "/metrics/certificate",
          application: "audit-svc",
          environment: "sandbox",
          instance: "vm2.sandbox.test:9145/certificate",
          job: "audit-certificate",
        },
      },
    ]);
  });

  const refusals: [string, Partial<Parameters<typeof targets>[0]>, string][] = [
    [
      "an address with a scheme",
      { address: "http://vm2:9145" },
      'The metrics address "http://vm2:9145" must be host:port without a scheme.',
    ],
    [
      "a replica name that is no path segment",
      { replicas: [{ name: "a/b", release: "v1" }] },
      'The replica name "a/b" must be letters, digits, hyphens, dots or underscores, and not "nginx".',
    ],
    [
      "a replica with the exporter's path",
      { replicas: [{ name: "nginx", release: "v1" }] },
      'The replica name "nginx" must be letters, digits, hyphens, dots or underscores, and not "nginx".',
    ],
    [
      "a replica with the path of something else",
      { replicas: [{ name: "certificate", release: "v1" }], others: ["certificate"] },
      'The replica name "certificate" must be letters, digits, hyphens, dots or underscores, and not "nginx" or "certificate".',
    ],
    [
      "a replica name given twice",
      {
        replicas: [
          { name: "a", release: "v1" },
          { name: "a", release: "v2" },
        ],
      },
      'The replica name "a" is given twice.',
    ],
  ];
  for (const [what, wrong, message] of refusals) {
    it(`refuse ${what}`, () => {
      assert.throws(() => targets({ ...options, ...wrong }), { message });
    });
  }
});
