/**
 * How often a test repeats what it does: a few times in `make test`, which somebody waits for; as often as the promise wants it
 * in `make test THOROUGH=1`.
 */
export const times = (usual: number, thorough: number): number => (process.env.THOROUGH === "1" ? thorough : usual);
