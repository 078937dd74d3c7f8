/**
 * How often a test repeats its work: a few times in `make test`, because somebody waits for it; as often as the
 * requirement says in `make test THOROUGH=1`.
 */
export const times = (usual: number, thorough: number): number => (process.env.THOROUGH === "1" ? thorough : usual);
