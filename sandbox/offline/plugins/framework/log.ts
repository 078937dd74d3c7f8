/** Lines shown to the user at a resource. They reach the engine in the order in which they were written. */
export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
  /** A passing status line: shown in the live display only, as the genuine plugins stream a command's output. */
  status(message: string): void;
}
