const controller = new AbortController();

/** Aborted once this run was interrupted: no further step, job or `pulumi` begins then. */
export const interrupt: AbortSignal = controller.signal;

/**
 * Has SIGINT and SIGTERM end this run. An interrupt from a terminal also reaches the child processes that run, which
 * end by themselves.
 */
export function endOnInterrupt(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (interrupt.aborted) process.exit(130);
      controller.abort(new Error("interrupted"));
      process.stderr.write("\nInterrupted. The next `make up` continues from here.\n");
      // Pulumi needs a moment to record what it has done; a second interrupt does not wait for that.
      setTimeout(() => process.exit(130), 5_000).unref();
    });
  }
}
