import * as pulumi from "@pulumi/pulumi";

/**
 * Makes a value depend on resources: whatever uses the output waits until all of them are done.
 *
 * @param done resources, or outputs that are known once something is done; undefined = nothing to wait for
 */
export function heldUntil<T>(
  done: readonly (pulumi.CustomResource | pulumi.Output<unknown> | undefined)[],
  value: T | pulumi.Output<T>,
): pulumi.Output<T> {
  const known = done.map((one) => (pulumi.CustomResource.isInstance(one) ? one.id : one));
  return pulumi.all(known).apply(() => pulumi.output(value) as pulumi.Output<T>);
}
