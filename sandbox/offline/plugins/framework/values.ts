/** A value that a preview cannot know yet. Only `check` may meet one; every other hook gets known values. */
export class Unknown {
  static readonly value = new Unknown();
  private constructor() {
    // one instance
  }
}

export function isUnknown(value: unknown): value is Unknown {
  return value instanceof Unknown;
}
