import { existsSync } from "node:fs";
import { execa } from "execa";
import { type Browser, chromium } from "playwright-core";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/**
 * The browser for tests of pages: the one named by AUDIT_TEST_CHROMIUM, one that is installed, or Debian's, which is then
 * installed where that is possible (as root, with apt).
 */
export async function chromiumPath(): Promise<string> {
  const given = process.env.AUDIT_TEST_CHROMIUM;
  if (given !== undefined && given !== "") return given;
  const found = PATHS.find((path) => existsSync(path));
  if (found !== undefined) return found;
  const advice = "install Chromium, or name one in AUDIT_TEST_CHROMIUM";
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get"))
    throw new Error(`There is no Chromium on this machine: ${advice}.`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const install = () =>
    execa("apt-get", ["install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"], { env });
  try {
    // The package lists of a fresh machine may be missing or old.
    await install().catch(() => execa("apt-get", ["update"], { env }).then(install));
  } catch (error) {
    throw new Error(`apt-get could not install Chromium: ${advice}.`, { cause: error });
  }
  return "/usr/bin/chromium";
}

/** Starts it without a window. It talks to nobody but the pages it is shown. */
export async function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: await chromiumPath(),
    headless: true,
    args: [
      // Chromium's own sandbox does not work as root.
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
