/**
 * Downloads the published dashboard of the nginx exporter into the cache and prints its path:
 *
 *     node --import tsx dashboards/fetch.ts [directory]
 *
 * The directory's default is `$SANDBOX_CACHE`, else `~/.cache/audit-sandbox`. Exits with 1 and each source's reason if
 * that fails.
 */
import { PublishedDashboardError, cachePath, publishedDashboard } from "./published";

async function main(cacheDirectory: string | undefined): Promise<number> {
  const options = cacheDirectory === undefined ? {} : { cacheDirectory };
  try {
    await publishedDashboard(options);
  } catch (error) {
    if (!(error instanceof PublishedDashboardError)) throw error;
    console.error(error.message);
    return 1;
  }
  console.log(cachePath(options));
  return 0;
}

void main(process.argv[2]).then((code) => {
  process.exitCode = code;
});
