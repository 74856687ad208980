/** A pool without PostgreSQL. It answers each statement by its text, and records all statements. */
import type { Pool } from '../../src/store/pool.ts';

type Answer = { rows?: object[]; rowCount?: number; command?: string } | Error;
export type Script = readonly (readonly [
  contains: string,
  answer: (values: unknown[]) => Answer,
])[];

export class FakePool {
  /** All statements, in order. */
  readonly statements: string[] = [];
  /** How each connection was released: true means that it was destroyed. */
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

  async query(marked: string, values: unknown[] = []) {
    // Removes the placeholder of the schema (store/statements.ts), which does not matter here.
    const text = marked.replaceAll('orderonce.', '');
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

/** The events in the parameters of the statement that inserts events. */
export function eventsToInsert(values: unknown[]): { eventId: string; offset: number }[] {
  const offsets = elementsOf(values[8] as Buffer).map((bytes) => Number(bytes.readBigInt64BE()));
  return uuidsOf(values[1]).map((eventId, i) => ({ eventId, offset: offsets[i] as number }));
}

/** The ids in a parameter that is an array of UUIDs. */
export function uuidsOf(value: unknown): string[] {
  const hyphenated = (hex: string) =>
    hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return elementsOf(value as Buffer).map((id) => hyphenated(id.toString('hex')));
}

/** The answer of that statement: `count` events were new. `known` lists the ids of the others. */
export function inserted(count: number, known: readonly string[] | null = null) {
  return { rows: [{ count, known: known?.length === 0 ? null : known }] };
}

/** The elements of an array in PostgreSQL's binary format. It must not contain NULL. */
function elementsOf(array: Buffer): Buffer[] {
  const elements: Buffer[] = [];
  for (let at = 20; at < array.length; ) {
    const length = array.readInt32BE(at);
    elements.push(array.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return elements;
}
