// Plain JavaScript without packages, because it runs before anything is installed. Checks Node's version, and brings
// node_modules in line with package-lock.json if they differ.
import { spawnSync, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `Error: Node.js ${process.versions.node} is too old; 20.19 or newer is needed. Install it from your package manager or nodejs.org.`,
  );
  process.exit(1);
}
if (spawnSync("npm", ["--version"]).error && !installed()) {
  console.error("Error: npm is not installed; it comes with Node.js from nodejs.org, or as the package npm.");
  process.exit(1);
}
if (installed()) process.exit(0);

const started = Date.now();
const elapsed = () => `${Math.round((Date.now() - started) / 1000)} s`;
console.error("Packages: npm ci");
const beat = setInterval(() => console.error(`Packages: still working, ${elapsed()}`), 15_000);
// Tests and lint are tools of development, which NODE_ENV=production would leave out.
// No package here needs install scripts, and they would run third-party code.
spawn("npm", ["ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
  cwd: root,
  stdio: ["ignore", 2, 2],
}).on("close", (code) => {
  clearInterval(beat);
  if (code === 0) console.error(`Packages: done in ${elapsed()}`);
  else
    console.error("Error: npm ci failed; its lines above say why. With the network in order, run the command again.");
  process.exit(code ?? 1);
});

/** npm records what it has installed; every package in the lock file must be installed in the same version. */
function installed() {
  const path = join(root, "node_modules/.package-lock.json");
  if (!existsSync(path)) return false;
  try {
    const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
    const present = JSON.parse(readFileSync(path, "utf8")).packages;
    return Object.entries(wanted).every(([name, { version, optional, link }]) => {
      if (!name.includes("node_modules/") || link) return true;
      // Optional binaries for other systems are absent on purpose.
      return present[name] ? present[name].version === version && existsSync(join(root, name)) : optional === true;
    });
  } catch {
    return false;
  }
}
