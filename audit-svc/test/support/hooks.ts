import { removeServers } from "./postgres.js";

/** Mocha's own way to clean up; `exit` alone would leave a server behind when a reporter ends the process first. */
export function mochaGlobalTeardown(): void {
  removeServers();
}
