/** PostgreSQL in the mouth of a test: answers by what a statement contains, and notes the order. */
import type { Pool } from '../../src/store/pool.ts';

type Answer = { rows?: object[]; rowCount?: number; command?: string } | Error;
export type Script = readonly (readonly [
  contains: string,
  answer: (values: unknown[]) => Answer,
])[];

export class FakePool {
  /** In order. */
  readonly statements: string[] = [];
  /** How each connection was given back: true means thrown away. */
  readonly released: boolean[] = [];
  script: Script;

  constructor(script: Script = []) {
    this.script = script;
  }

  asPool(): Pool {
    return this as unknown as Pool;
  }

  async connect() {
    return {
      query: (text: string, values?: unknown[]) => this.query(text, values),
      release: (broken: boolean) => void this.released.push(broken),
      on: () => {},
      off: () => {},
    };
  }

  async query(text: string, values: unknown[] = []) {
    this.statements.push(text);
    const [, answer] = this.script.find(([contains]) => text.includes(contains)) ?? [];
    const given = answer?.(values) ?? {};
    if (given instanceof Error) throw given;
    const command = text.trim().split(/[\s;]/)[0] ?? '';
    return { rows: [], rowCount: given.rows?.length ?? 0, command, ...given };
  }
}

/** An error as PostgreSQL reports it. */
export function sqlError(code: string, message = 'refused'): Error {
  return Object.assign(new Error(message), { code, severity: 'ERROR' });
}
