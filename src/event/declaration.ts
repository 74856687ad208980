/**
 * What a team declares about its events. `defineEvents` of `orderonce/events` takes it, and
 * declared-events.ts compiles it.
 */

/** The part of Standard Schema (version 1, https://standardschema.dev) that is used. */
export type StandardSchema<Input = unknown> = {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult | Promise<StandardResult>;
    readonly types?: { readonly input: Input; readonly output: unknown } | undefined;
  };
};

export type StandardResult = {
  readonly value?: unknown;
  readonly issues?: readonly StandardIssue[] | undefined;
};

export type StandardIssue = {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
};

/** A JSON Schema (draft 2020-12) as a plain object. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/**
 * Which `total_amount` events of a type have: `positive` (the default), `signed` (any but 0), or
 * `none` (it must be absent; the event is counted and adds nothing).
 */
export type AmountRule = 'positive' | 'signed' | 'none';

/** One type of events. */
export type EventTypeDeclaration = {
  readonly amount?: AmountRule;
  /** The newest version, from 1. Default: 1. */
  readonly version?: number;
  /**
   * The shape of `data` in the newest version: a Standard Schema whose library also gives JSON
   * Schema (such as Zod), or a JSON Schema. It must describe an object. Without it, events of the
   * type have no data.
   */
  readonly data?: StandardSchema | JsonSchema;
  /**
   * For each older version that is still accepted, a pure function that makes data of the next
   * version of it. Handlers get the newest version; stored data stays as it was sent. An event of an
   * older version is valid if its lifted data is.
   */
  // biome-ignore lint/suspicious/noExplicitAny: the data of an older version has no declared type.
  readonly upgrade?: Readonly<Record<number, (old: any) => unknown>>;
};

/** All types of events of a team, by name. */
export type EventTypes = Readonly<Record<string, EventTypeDeclaration>>;

export type EventOptions = {
  /** Whether events without a type are accepted. Default: `accept`. */
  readonly untyped?: 'accept' | 'refuse';
  /**
   * Allows text ids of 1 to 200 characters beside UUIDs. The stored id is then a UUID version 5 in a
   * namespace that is derived from the given name, so the names must never change. Default: only
   * UUIDs.
   */
  readonly ids?: { readonly event?: string; readonly order?: string };
};

/** What `defineEvents` returns, as far as the services read it. */
export type EventDefinition = { readonly types: EventTypes; readonly options: EventOptions };

/** The type of an event: letters, digits, dots, hyphens and underscores, at most 60. */
export const TYPE_NAME = /^[A-Za-z][A-Za-z0-9._-]{0,59}$/;
export const VERSION_MAX = 1_000_000;
