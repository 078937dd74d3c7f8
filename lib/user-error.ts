import { RunError } from "@pulumi/pulumi";

/**
 * A mistake of the program's user. Pulumi prints the message alone.
 *
 * It has no stack: nobody mends a setting by one; and Pulumi also has Node inspect the error in colours, which on Node 20.20 never
 * ends on a frame such as `node_modules/@pulumi/resource.ts`, as the SDK's source maps name it (docs/decisions/0009).
 */
export class UserError extends RunError {
  constructor(message: string) {
    super(message);
    this.stack = message;
  }
}
