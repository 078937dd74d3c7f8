/** CPU weight of what clients wait for: Docker's default. */
export const SERVING_SHARES = 1024;
/**
 * CPU weight of what runs in the background: one-shots, agents, replicas that start or end. With less than this eighth,
 * a release might not become ready on a busy machine.
 */
export const BACKGROUND_SHARES = 128;
