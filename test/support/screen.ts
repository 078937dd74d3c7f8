/**
 * The terminal of suites that run side by side: one of them is shown as it goes, the output of any other once the
 * screen is free, so that no two are mixed.
 */
export class Screen {
  #shown: Sheet | undefined;
  /** Sheets that ended while another was shown. */
  readonly #ended: Sheet[] = [];

  constructor(private readonly write: (chunk: string) => void = (chunk) => process.stdout.write(chunk)) {}

  sheet(): Sheet {
    return new Sheet(this);
  }

  /** @internal Whether this sheet is shown; it is if no other is. */
  shows(sheet: Sheet): boolean {
    this.#shown ??= sheet;
    return this.#shown === sheet;
  }

  /** @internal */
  print(text: string): void {
    this.write(text);
  }

  /** @internal */
  ended(sheet: Sheet): void {
    if (!this.shows(sheet)) {
      this.#ended.push(sheet);
      return;
    }
    this.#shown = undefined;
    for (const other of this.#ended.splice(0)) this.print(other.take());
  }
}

/** What one suite prints. */
export class Sheet {
  #waiting = "";

  constructor(private readonly screen: Screen) {}

  print(text: string): void {
    this.#waiting += text;
    if (this.screen.shows(this)) this.screen.print(this.take());
  }

  /** The suite prints no more. */
  end(): void {
    this.print("");
    this.screen.ended(this);
  }

  /** @internal What was not printed yet. */
  take(): string {
    const text = this.#waiting;
    this.#waiting = "";
    return text;
  }
}
