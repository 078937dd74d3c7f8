import assert from "node:assert/strict";
import { explain, failure, lastLine } from "../../lib/failures.js";
import { UserError } from "../../lib/user-error.js";

// As programs really print them.
const outputs: [string, string][] = [
  ["write /var/lib/docker/tmp/x: no space left on device", "the disk is full"],
  ["E: You don't have enough free space in /var/cache/apt/archives/.", "the disk is full"],
  [
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get ...",
    "this user may not talk to the Docker Engine",
  ],
  [
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    "the Docker Engine does not answer",
  ],
  [
    "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 123 (apt-get)",
    "another package installation is running on this machine",
  ],
  [
    "E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)\nE: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?",
    "root's rights are missing",
  ],
  ["toomanyrequests: You have reached your pull rate limit.", "the image registry refuses more pulls for now"],
  [
    "Error response from daemon: unauthorized: unauthorized to access repository: hub/library/nginx",
    "the image registry refuses the login",
  ],
  [
    "Error response from daemon: manifest for 127.0.0.1:5000/nginx:nope not found: manifest unknown",
    "the image registry does not have this image",
  ],
  [
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    "a TLS certificate is not trusted",
  ],
  ["W: Failed to fetch http://deb.example/  Temporary failure resolving 'deb.example'", "a host cannot be reached"],
  ["compile: signal: killed", "there is not enough memory"],
];

describe("failures of programs", () => {
  for (const [output, cause] of outputs) {
    it(`tells that ${cause}`, () => {
      assert.equal(explain(output)?.cause, cause);
    });
  }

  it("does not guess", () => {
    assert.equal(explain("undefined: foo"), undefined);
  });

  it("looks at the end of the output only", () => {
    const output = `x509: warned about and passed over\n${"line\n".repeat(100)}syntax error`;
    assert.equal(explain(output), undefined);
  });

  it("names what failed, why, how to mend it, and where the rest is", () => {
    const error = failure("build the image nginx", "no space left on device", "/x/image-nginx.log");
    assert.ok(UserError.is(error));
    assert.equal(
      error.message,
      "Could not build the image nginx: the disk is full. Free some space (the sandbox needs about 8 GB; `docker system df` shows " +
        "Docker's share) and run the command again.\nThe whole output: /x/image-nginx.log",
    );
  });

  it("shows the last lines where the reason is not known", () => {
    const lines = Array.from({ length: 40 }, (_, index) => `line ${index}`).join("\n");
    const { message } = failure("build x", lines);
    assert.match(message, /^Could not build x\. The last lines were:\n {2}line 25\n/);
    assert.match(message, /line 39$/);
  });

  it("finds the last line that says something", () => {
    assert.equal(lastLine("a\n b \n\n"), "b");
    assert.equal(lastLine("\n"), "no output");
  });
});
