/**
 * A mistake of the program's user. Pulumi prints only the message, as of its own RunError.
 *
 * The field is how the SDK knows a RunError, also one of another copy of the SDK. Its class is not used, because who
 * imports it loads the SDK, which takes over a second (docs/decisions/0206).
 *
 * It has no stack trace, for two reasons. A trace does not help to fix a setting. And Pulumi makes Node inspect the
 * error in colours, which on Node 20.20 never ends for a frame such as `node_modules/@pulumi/resource.ts`, the name in
 * the SDK's source maps (docs/decisions/0009).
 */
export class UserError extends Error {
  readonly __pulumiRunError = true;

  constructor(message: string) {
    super(message);
    this.stack = message;
  }
}
