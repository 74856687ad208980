/**
 * Our own statements. Their texts name every table as `orderonce.orders`, whatever the schema of
 * the deployment is called, and each connection puts the schema's name in. So the texts are
 * constant, can be read and searched, and do not depend on search_path, which belongs to the team
 * and to its handlers. docs/decisions/009 has the alternatives.
 *
 * A handler's statements are no strings here but objects (guarded-transaction.ts): they pass as
 * they are.
 */
const MARK = 'orderonce.';
const MARKS = /\borderonce\./g;

/** The name of a schema, as an identifier in SQL. */
export function quoted(schema: string): string {
  return `"${schema.replaceAll('"', '""')}"`;
}

/** Where the tables are; a pool learns it once, and all its connections use it. */
export class SchemaName {
  #name: string;
  /** Texts with the name put in. Only constant texts have marks, so there are few. */
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

  /** The text for PostgreSQL; undefined where the statement names none of our tables. */
  fill(text: string): string | undefined {
    const known = this.#texts.get(text);
    if (known !== undefined || !text.includes(MARK)) return known;
    const filled = text.replaceAll(MARKS, () => `${quoted(this.#name)}.`);
    this.#texts.set(text, filled);
    return filled;
  }
}

/** What the server tells of itself when a session begins. */
export type ServerVersion = { readonly major: number };

/** @returns of the server that a pool's connection leads to; of an old one where it is not known. */
export function serverOf(client: object): ServerVersion {
  const { server } = client as { server?: ServerVersion };
  return server ?? { major: 0 };
}
