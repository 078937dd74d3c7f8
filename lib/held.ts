import * as pulumi from "@pulumi/pulumi";

/**
 * A value that is known already, handed out only once all of these are done: whoever uses it waits for them.
 *
 * @param done resources, or outputs that are known once something is done; undefined stands for nothing to wait for
 */
export function heldUntil<T>(
  done: readonly (pulumi.CustomResource | pulumi.Output<unknown> | undefined)[],
  value: T,
): pulumi.Output<T> {
  const known = done.map((one) => (pulumi.CustomResource.isInstance(one) ? one.id : one));
  return pulumi.all(known).apply(() => value);
}
