/** Whether tests take the time that a requirement needs, and not what somebody waits for. */
export const thorough = process.env.THOROUGH === "1";

/**
 * How often a test repeats its work: a few times in `make test`, because somebody waits for it; as often as the
 * requirement says in `make test THOROUGH=1`.
 */
export const times = (usual: number, often: number): number => (thorough ? often : usual);
