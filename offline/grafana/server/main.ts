import { createApp } from "./app.js";
import type { Assets } from "./pages.js";
import { readSettings } from "./settings.js";

// Filled in by build.ts, so that the server is one file.
declare const PREVIEW_ASSETS: Assets;

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const app = createApp(settings, PREVIEW_ASSETS);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      void app.close().then(() => process.exit(0));
    });
  }
  await app.listen({ host: settings.address, port: settings.port });
  console.log(
    `Dashboard preview (a stand-in, not Grafana) on port ${settings.port}, links begin with ${settings.rootUrl.href}`,
  );
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
