/**
 * The state right after Create: of Terraform's sets, the SDK keeps what was planned and not what was read back (terraform-plugin-sdk,
 * normalizeNullValues). How the engine spells them is only seen by a refresh.
 *
 * @param sets names of the inputs that are sets
 */
export function asPlanned<State extends object>(
  state: State,
  inputs: object,
  sets: readonly (keyof State & string)[],
): State {
  const result = { ...state };
  for (const name of sets) {
    // Left out, it keeps the input's value.
    if ((inputs as Record<string, unknown>)[name] !== undefined) Reflect.deleteProperty(result, name);
  }
  return result;
}
