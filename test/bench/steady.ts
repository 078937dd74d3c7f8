import { quantile, startLoad } from "../e2e/support/load";

/**
 * A constant load for some seconds, as a separate program, so that it can run where the service's own address is
 * reachable.
 */
async function main(): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  const { seconds, ...options } = JSON.parse(Buffer.concat(chunks).toString()) as Parameters<typeof startLoad>[0] & {
    seconds: number;
  };
  const load = startLoad(options);
  await new Promise((wake) => setTimeout(wake, seconds * 1000));
  const { stored, lost, answers } = await load.stop();
  console.log(JSON.stringify({ stored, lost, p50: quantile(answers, 0.5), p99: quantile(answers, 0.99) }));
}

void main();
