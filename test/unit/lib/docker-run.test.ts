import assert from "node:assert/strict";
import { dockerRunWords } from "../../../lib/shell";

describe("a one-shot container", () => {
  const environment = (network?: string): string[] => {
    const words = dockerRunWords({ image: "tools", command: ["true"], network, environment: { A: "b" } });
    return words.filter((_, index) => words[index - 1] === "--env");
  };

  it("gets none of the proxies that the docker CLI knows for containers, where it has a network", () => {
    const proxies = ["http_proxy=", "HTTP_PROXY=", "https_proxy=", "HTTPS_PROXY=", "all_proxy=", "ALL_PROXY="];
    assert.deepEqual(environment("front"), [...proxies, "A=b"]);
    assert.deepEqual(environment(), ["A=b"]);
  });
});
