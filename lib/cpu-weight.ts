/** The CPU weight of what clients wait for; it is Docker's default. */
export const SERVING_SHARES = 1024;
/**
 * That of what runs in the background: one-shots, agents, replicas that start or end. With less than this an eighth, a release might
 * not become ready on a machine that is busy.
 */
export const BACKGROUND_SHARES = 128;
