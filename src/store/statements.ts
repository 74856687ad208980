/**
 * Puts the schema's name into our own statements. Their texts name every table with the prefix
 * `orderonce.`, as in `orderonce.orders`, whatever the schema of the deployment is called; the
 * session replaces the prefix. So the texts are constant, can be read and searched, and do not
 * depend on search_path, which belongs to the team and its handlers. Decision 009 has the
 * alternatives.
 *
 * A handler's statement is passed to the session as an object (guarded-transaction.ts), not as a
 * string, and is sent unchanged.
 */
const MARK = 'orderonce.';
const MARKS = /\borderonce\./g;

/** A name as a quoted identifier in SQL. */
export function quoted(schema: string): string {
  return `"${schema.replaceAll('"', '""')}"`;
}

/**
 * The schema of the tables. All sessions of a pool share it, and the pool may find it out later.
 */
export class SchemaName {
  #name: string;
  /** Texts in which the prefix has been replaced. Only constant texts have it, so they are few. */
  readonly #texts = new Map<string, string>();

  constructor(name: string) {
    this.#name = name;
  }

  get name(): string {
    return this.#name;
  }

  set name(name: string) {
    if (name !== this.#name) this.#texts.clear();
    this.#name = name;
  }

  /** The text with the prefix replaced; undefined if it names none of our tables. */
  fill(text: string): string | undefined {
    const known = this.#texts.get(text);
    if (known !== undefined || !text.includes(MARK)) return known;
    const filled = text.replaceAll(MARKS, () => `${quoted(this.#name)}.`);
    this.#texts.set(text, filled);
    return filled;
  }
}

/** The server's major version; 0 if it is unknown. */
export type ServerVersion = { readonly major: number };

/** The version of a session's server. */
export function serverOf(client: object): ServerVersion {
  const { server } = client as { server?: ServerVersion };
  return server ?? { major: 0 };
}
