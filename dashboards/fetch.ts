/**
 * Gets the published dashboard of the nginx exporter into the cache and prints where it is:
 *
 *     node --import tsx dashboards/fetch.ts [directory]
 *
 * The directory's default is `$SANDBOX_CACHE`, else `~/.cache/audit-sandbox`. Exits 1, with each source's reason, if it cannot be had.
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
