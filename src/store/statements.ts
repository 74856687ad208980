/**
 * Our own statements. Their texts name every table as `orderonce.orders`, whatever the schema of
 * the deployment is called, and each connection puts the schema's name in. So the texts are
 * constant, can be read and searched, and do not depend on search_path, which belongs to the team
 * and to its handlers. docs/decisions/009 has the alternatives.
 *
 * A handler's statements are no strings here but objects (guarded-transaction.ts): they pass as
 * they are.
 */
import type { EventEmitter } from 'node:events';
import pg from 'pg';
import { settledTypes } from './types.ts';

const MARK = 'orderonce.';
const MARKS = /\borderonce\./g;

const names = new Map<string, string>();

/**
 * Marks a statement that runs all the time: each connection has it parsed and planned once, under a
 * name. For a small batch that was half of PostgreSQL's work. A pooler in transaction mode hands
 * one session to many, and where it does not know names they must be off.
 */
export function prepared(text: string): string {
  names.set(text, `orderonce_${names.size}`);
  return text;
}

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
export type ServerFacts = { readonly major: number; readonly isStandby: boolean };

/** @returns of the server that a pool's connection leads to; of any primary where it is not known. */
export function serverOf(client: object): ServerFacts {
  const { server } = client as { server?: ServerFacts };
  return server ?? { major: 0, isStandby: false };
}

/** A connection that puts the schema into our statements, and prepares those that are marked. */
export function clientClass(schema: SchemaName, prepares: boolean): typeof pg.Client {
  return class extends pg.Client {
    readonly server = { major: 0, isStandby: false };

    constructor(config?: string | pg.ClientConfig) {
      super(config);
      const { connection } = this as unknown as { connection: EventEmitter };
      connection.on('parameterStatus', ({ parameterName: name, parameterValue: value }) => {
        if (name === 'server_version') this.server.major = Number.parseInt(value, 10);
        // Sent anew when the standby becomes the primary. PostgreSQL 14 and later.
        if (name === 'in_hot_standby') this.server.isStandby = value === 'on';
      });
    }

    // The driver's overloads, of which only one is for us.
    // biome-ignore lint/suspicious/noExplicitAny: whatever else comes is passed on as it is
    override query(text: any, values?: any, callback?: any): any {
      if (typeof text !== 'string') return super.query(text, values, callback);
      const filled = schema.fill(text);
      const name = prepares && Array.isArray(values) ? names.get(text) : undefined;
      if (filled === undefined && name === undefined) return super.query(text, values, callback);
      const ofTypes = filled === undefined ? {} : { types: settledTypes };
      const config = { text: filled ?? text, ...ofTypes, ...(name === undefined ? {} : { name }) };
      return super.query(config as never, values, callback);
    }
  };
}
