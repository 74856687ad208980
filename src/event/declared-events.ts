/** Compiles what a team declares about its events into the rules that every service follows. */
import { OrderonceError, reasonOf } from '../errors.ts';
import type { DataIssue } from './data-issue.ts';
import { compileDataSchema, type DataSchema, isPromise } from './data-schema.ts';
import {
  type AmountRule,
  type EventDefinition,
  type EventTypeDeclaration,
  type JsonSchema,
  TYPE_NAME,
  VERSION_MAX,
} from './declaration.ts';
import { namespaceOf } from './uuid-v5.ts';

/** A declared type of events. */
export type DeclaredType = {
  readonly name: string;
  /** The newest version. */
  readonly version: number;
  readonly amount: AmountRule;
  /** The JSON Schema of the newest version's data; null if events of the type have no data. */
  readonly dataSchema: JsonSchema | null;
  /** Whether the data may say in which `currency` the amount is. */
  readonly hasCurrency: boolean;
  /** Whether events of this version are accepted. */
  readonly knows: (version: number) => boolean;
  /** What is wrong with the data of an event of a known version. It never throws. */
  readonly check: (version: number, data: unknown) => readonly DataIssue[];
  /**
   * The data as the newest version has it.
   * @throws what an `upgrade` function throws.
   */
  readonly lift: (version: number, data: unknown) => unknown;
};

export type DeclaredEvents = {
  readonly types: ReadonlyMap<string, DeclaredType>;
  readonly untyped: 'accept' | 'refuse';
  /** Namespaces of text ids, by property; absent if only UUIDs are accepted. */
  readonly ids: { readonly eventId?: string; readonly orderId?: string };
};

/** What a deployment knows, such as `order.placed@1`, sorted; empty where nothing is declared. */
export function knownTypesOf(declared: DeclaredEvents | null): string[] {
  const types = [...(declared?.types.values() ?? [])].flatMap(({ name, version, knows }) =>
    Array.from({ length: version }, (_, n) => n + 1)
      .filter(knows)
      .map((known) => `${name}@${known}`),
  );
  return types.sort();
}

/** The longest name of a namespace of ids. */
const NAMESPACE_NAME = /^[\x21-\x7e]{1,100}$/;

/** @throws EVENTS_INVALID with what is wrong. */
export function compileEvents({ types, options }: EventDefinition): DeclaredEvents {
  assertKnown('The options have', options, ['untyped', 'ids']);
  assertKnown('The option "ids" has', options.ids ?? {}, ['event', 'order']);
  const compiled = new Map<string, DeclaredType>();
  const views = new Map<string, string>();
  for (const [name, declaration] of Object.entries(types)) {
    if (!TYPE_NAME.test(name)) {
      const form =
        'a letter, then letters, digits, dots, hyphens and underscores, at most 60 in all';
      throw invalid(`The type "${name.slice(0, 80)}" needs a name of another form: ${form}`);
    }
    const other = views.get(viewNameOf(name));
    if (other !== undefined) {
      throw invalid(`The types "${other}" and "${name}" would share the view ${viewNameOf(name)}`);
    }
    views.set(viewNameOf(name), name);
    compiled.set(name, compileNamed(name, declaration));
  }
  return { types: compiled, untyped: untypedOf(options.untyped), ids: idsOf(options.ids ?? {}) };
}

/** The name of the view that shows the stored events of a type. */
export function viewNameOf(type: string): string {
  return type.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_');
}

function invalid(message: string, cause?: unknown): OrderonceError {
  return new OrderonceError('EVENTS_INVALID', message, { cause });
}

/** A misspelled option would be the opposite of what was meant. */
function assertKnown(what: string, given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw invalid(`${what} "${unknown}", which is unknown. Known are: ${known.join(', ')}`);
}

function untypedOf(untyped: unknown): 'accept' | 'refuse' {
  if (untyped === undefined || untyped === 'accept' || untyped === 'refuse') {
    return untyped ?? 'accept';
  }
  throw invalid('The option "untyped" must be "accept" or "refuse"');
}

function idsOf(ids: NonNullable<EventDefinition['options']['ids']>): DeclaredEvents['ids'] {
  const namespaces: { eventId?: string; orderId?: string } = {};
  for (const key of ['event', 'order'] as const) {
    const name = ids[key];
    if (name === undefined) continue;
    if (typeof name !== 'string' || !NAMESPACE_NAME.test(name)) {
      throw invalid(
        `The option "ids.${key}" must be a name of 1 to 100 ASCII characters without spaces`,
      );
    }
    namespaces[`${key}Id`] = namespaceOf(name);
  }
  return namespaces;
}

/** A library may throw anything, as may a schema that contains itself. */
function compileNamed(name: string, declaration: EventTypeDeclaration): DeclaredType {
  try {
    return compileType(name, declaration);
  } catch (error) {
    if (error instanceof OrderonceError) throw error;
    throw invalid(`The type "${name}" cannot be compiled: ${reasonOf(error)}`, error);
  }
}

const KEYS = ['amount', 'version', 'data', 'upgrade'];

function compileType(name: string, declaration: EventTypeDeclaration): DeclaredType {
  if (typeof declaration !== 'object' || declaration === null) {
    throw invalid(`The type "${name}" must be declared by an object`);
  }
  assertKnown(`The type "${name}" declares`, declaration, KEYS);
  const { amount = 'positive', version = 1, data, upgrade = {} } = declaration;
  if (!['positive', 'signed', 'none'].includes(amount)) {
    throw invalid(`The amount of "${name}" must be "positive", "signed" or "none"`);
  }
  if (!Number.isInteger(version) || version < 1 || version > VERSION_MAX) {
    throw invalid(`The version of "${name}" must be an integer from 1 to ${VERSION_MAX}`);
  }
  const steps = stepsOf(name, version, upgrade);
  const schema = data === undefined ? null : compileDataSchema(`${name}@${version}`, data);
  const lift = (from: number, given: unknown) => {
    let lifted = given;
    for (let v = from; v < version; v++) {
      lifted = steps.get(v)?.(structuredClone(lifted));
      if (isPromise(lifted)) throw new Error('it is asynchronous');
    }
    return lifted;
  };
  return {
    name,
    version,
    amount,
    dataSchema: schema?.jsonSchema ?? null,
    hasCurrency: hasCurrency(schema),
    knows: (given) => given === version || (given < version && steps.has(given)),
    check: (given, value) => checkData(schema, value, (v) => lift(given, v), given === version),
    lift,
  };
}

/** The functions that lift old versions, as far back as they follow each other. */
function stepsOf(
  name: string,
  newest: number,
  upgrade: NonNullable<EventTypeDeclaration['upgrade']>,
): ReadonlyMap<number, (old: unknown) => unknown> {
  const steps = new Map<number, (old: unknown) => unknown>();
  for (let v = newest - 1; v >= 1 && upgrade[v] !== undefined; v--) {
    const step = upgrade[v];
    if (typeof step !== 'function') throw invalid(`upgrade[${v}] of "${name}" must be a function`);
    steps.set(v, step);
  }
  const useless = Object.keys(upgrade).find((v) => !steps.has(Number(v)));
  if (useless !== undefined) {
    const chain = `an upgrade is needed for each version from ${useless} to ${newest - 1}`;
    throw invalid(`upgrade[${useless}] of "${name}" leads nowhere: ${chain}`);
  }
  return steps;
}

function checkData(
  schema: DataSchema | null,
  data: unknown,
  lift: (data: unknown) => unknown,
  isNewest: boolean,
): readonly DataIssue[] {
  if (isNewest) return checkNewest(schema, data);
  if (data !== undefined && (typeof data !== 'object' || data === null || Array.isArray(data))) {
    return [{ type: 'dict_type', path: [], msg: 'Input should be an object' }];
  }
  try {
    // What an upgrade returns may be anything, and a check of it may throw.
    return checkNewest(schema, lift(data));
  } catch (error) {
    const msg = `The upgrade of this version failed: ${reasonOf(error)}`.slice(0, 500);
    return [{ type: 'upgrade_failed', path: [], msg }];
  }
}

function checkNewest(schema: DataSchema | null, data: unknown): readonly DataIssue[] {
  if (schema !== null && data !== undefined) return schema.check(data);
  if (schema !== null) return [{ type: 'missing', path: [], msg: 'Field required' }];
  if (data === undefined) return [];
  return [{ type: 'extra_forbidden', path: [], msg: 'Extra inputs are not permitted' }];
}

function hasCurrency(schema: DataSchema | null): boolean {
  const properties = schema?.jsonSchema.properties;
  return typeof properties === 'object' && properties !== null && 'currency' in properties;
}
