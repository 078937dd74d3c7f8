import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, describe, it } from "mocha";
import { scriptLine, scriptText } from "../../../components/host/script-file";

const SCRIPT = join(__dirname, "../../../bootstrap/docker-read.sh");
const request = (line: string, ...headers: string[]) => [line, "Host: docker", ...headers, "", ""].join("\r\n");
const forwarded = (target: string, method = "GET") =>
  `> ${method} ${target} HTTP/1.1\r\n> Host: docker\r\n> User-Agent: audit-docker-read\r\n> \r\n`;

describe("the command that drift's login runs on a host with Docker", () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), "docker-read-"));
    // Echoes what is sent to Docker's socket, marked, and records all other commands.
    const docker = `#!/bin/sh\ncase "$*" in *" -- grafana") echo /grafana; exit ;; "container inspect "*) echo /audit-edge-nginx; exit ;; esac\nif [ "$*" = "system dial-stdio" ]; then exec sed "s/^/> /"; fi\necho "docker $*"\n`;
    writeFileSync(join(dir, "docker"), docker, { mode: 0o700 });
  });
  after(() => rmSync(dir, { recursive: true }));

  const run = (command: string | undefined, input = "") =>
    spawnSync("sh", [SCRIPT], {
      input,
      encoding: "utf8",
      timeout: 20_000,
      env: {
        PATH: [dir, process.env.PATH ?? ""].join(delimiter),
        ...(command === undefined ? {} : { SSH_ORIGINAL_COMMAND: command }),
      },
    });
  const dial = (input: string) => run("docker system dial-stdio", input);

  for (const target of [
    "/_ping",
    "/v1.44/version",
    "/info",
    "/v1.44/containers/json?all=1&filters=%7B%22name%22%3A%7B%22a%22%3Atrue%7D%7D",
    "/v1.44/containers/0123abc/json",
    "/containers/audit-svc-blue-1/json?size=0",
    "/v1.41/images/json",
    "/images/harbor.example.com:8443/audit/audit-svc@sha256:0123/json",
    "/v1.44/networks",
    "/v1.44/networks/audit-edge",
    "/volumes/audit-svc-config",
  ]) {
    it(`lets GET ${target} through`, () => {
      const { stdout, stderr, status } = dial(request(`GET ${target} HTTP/1.1`));
      assert.deepEqual([stdout, stderr, status], [forwarded(target), "", 0]);
    });
  }

  it("lets one request after another through, without the client's own headers", () => {
    const { stdout } = dial(
      request("HEAD /_ping HTTP/1.1", "X-Registry-Auth: of-the-puller") +
        request("GET /v1.44/networks/a HTTP/1.1", "Content-Length: 0", "Connection: Upgrade", "Upgrade: tcp"),
    );
    assert.equal(stdout, forwarded("/_ping", "HEAD") + forwarded("/v1.44/networks/a"));
  });

  for (const line of [
    "POST /v1.44/containers/create HTTP/1.1",
    "POST /containers/audit-svc-blue-1/stop HTTP/1.1",
    "POST /containers/audit-svc-blue-1/json HTTP/1.1",
    "DELETE /containers/audit-svc-blue-1 HTTP/1.1",
    "PUT /containers/audit-svc-blue-1/archive?path=/ HTTP/1.1",
    "GET /containers/audit-svc-blue-1/archive?path=/config HTTP/1.1",
    "GET /containers/audit-svc-blue-1/archive?/json HTTP/1.1",
    "GET /containers/audit-svc-blue-1/export HTTP/1.1",
    "GET /containers/audit-svc-blue-1/logs?stdout=1 HTTP/1.1",
    "GET /containers/a/b/json HTTP/1.1",
    "GET /containers/grafana/json HTTP/1.1",
    "GET /v1.44/containers/a/attach/ws HTTP/1.1",
    "GET /images/audit/get HTTP/1.1",
    "GET /images/../containers/a/export/json HTTP/1.1",
    "GET /images/%2e%2e/json HTTP/1.1",
    "GET //images/a/json HTTP/1.1",
    "GET /secrets HTTP/1.1",
    "GET /events HTTP/1.1",
    "GET /v1.44x/info HTTP/1.1",
    "GET  /info HTTP/1.1",
    "GET /info HTTP/1.0",
    "GET /info\rPOST /containers/create HTTP/1.1",
    "get /info HTTP/1.1",
    "",
  ]) {
    it(`answers 403 to ${JSON.stringify(line)}, and lets nothing after it through`, () => {
      const { stdout, stderr, status } = dial(request(line) + request("GET /info HTTP/1.1"));
      assert.match(stdout, /^HTTP\/1\.1 403 Forbidden\r\n/);
      assert.match(stderr, /^audit-docker-read: refused /);
      assert.doesNotMatch(stdout, /^>/m);
      assert.equal(status, 0);
    });
  }

  for (const header of ["Content-Length: 40", "content-length:007", "Transfer-Encoding: chunked"]) {
    it(`answers 403 to a request with a body, ${header}, in which another could hide`, () => {
      const { stdout } = dial(request("GET /info HTTP/1.1", header) + request("POST /containers/create HTTP/1.1"));
      assert.match(stdout, /^HTTP\/1\.1 403 /);
      assert.doesNotMatch(stdout, /^>/m);
    });
  }

  it("ends when Docker does, although the client has not, and with its exit code", async () => {
    const gone = mkdtempSync(join(tmpdir(), "docker-gone-"));
    try {
      writeFileSync(join(gone, "docker"), "#!/bin/sh\nexit 7\n", { mode: 0o700 });
      const child = spawn("sh", [SCRIPT], {
        env: { PATH: [gone, process.env.PATH].join(delimiter), SSH_ORIGINAL_COMMAND: "docker system dial-stdio" },
      });
      const [code] = (await once(child, "close")) as [number];
      assert.equal(code, 7);
    } finally {
      rmSync(gone, { recursive: true });
    }
  });

  it("answers the program's request for the list of what exists, with the same list", () => {
    const { stdout, status } = run(scriptLine("list-present.sh"));
    assert.equal(status, 0);
    assert.equal(stdout.split("\n").filter((line) => line.startsWith("docker container ls")).length, 2);
    assert.ok(stdout.endsWith("\n.\n"), stdout);
    const spaceless = (text: string) => text.replace(/\s+/g, " ");
    const list = scriptText("list-present.sh").split("set -eu\n")[1] ?? "";
    assert.match(list, /docker network ls/);
    assert.ok(spaceless(readFileSync(SCRIPT, "utf8")).includes(spaceless(list)), "it lists something else");
  });

  it("runs its own list, whatever text is sent under that name", () => {
    const { stdout } = run("sh -c 'docker run evil' list-present.sh");
    assert.doesNotMatch(stdout, /evil/);
    assert.ok(stdout.endsWith("\n.\n"), stdout);
  });

  for (const command of [
    undefined,
    "sh",
    "docker ps",
    "docker container ls --all; id",
    `${scriptLine("list-present.sh")}; id`,
    "docker system dial-stdio; id",
    "docker --host=unix:///run/other.sock system dial-stdio",
  ]) {
    it(`runs nothing else: ${command ?? "a shell"}`, () => {
      const { stdout, stderr, status } = run(command);
      assert.deepEqual([stdout, status], ["", 1]);
      assert.match(stderr, /this login only reads/);
    });
  }
});
