/**
 * `orderonce/events`: a team declares its events once, and the API, the consumer, the tables, the
 * handlers, the test kit and the client follow.
 *
 *   export default defineEvents({
 *     'order.placed': { data: z.object({ currency: z.string().length(3) }) },
 *     'order.cancelled': { amount: 'none' },
 *   });
 */
import type {
  AmountRule,
  EventDefinition,
  EventOptions,
  EventTypeDeclaration,
  EventTypes,
  JsonSchema,
  StandardSchema,
} from '../event/declaration.ts';
import { compileEvents } from '../event/declared-events.ts';
import type { Handler, HandlerTransaction, StoredEvent } from './handler.ts';

export type { Decode, DecodedEvent, ForeignRecord } from './decode.ts';

export type {
  AmountRule,
  EventOptions,
  EventTypeDeclaration,
  EventTypes,
  JsonSchema,
  StandardSchema,
};

/**
 * The data of a declared type. A JSON Schema says no more to TypeScript than that it is an object;
 * `undefined` if events of the type have no data.
 */
export type DataOf<D extends EventTypeDeclaration> = D extends { readonly data: infer S }
  ? S extends StandardSchema<infer Input>
    ? Input
    : { readonly [key: string]: unknown }
  : undefined;

type AmountOf<D extends EventTypeDeclaration> = D extends { readonly amount: 'none' }
  ? null
  : string;

/** A stored event of a declared type, as handlers get it. */
export type StoredEventOf<T extends EventTypes, K extends keyof T> = {
  [N in K]: StoredEvent & {
    readonly type: N;
    readonly totalAmount: AmountOf<T[N]>;
    /** The newest version. Data of older ones was lifted to it. */
    readonly version: number;
    readonly data: DataOf<T[N]>;
  };
}[K];

/** An event of a declared type as a client sends it. `event_id` is made where it is missing. */
export type SentEventOf<T extends EventTypes, K extends keyof T = keyof T> = {
  [N in K]: {
    readonly event_id?: string | undefined;
    readonly order_id: string;
    readonly user_id: string;
    readonly timestamp: string | Date;
    readonly type: N;
    /** Default: the newest. */
    readonly version?: number;
  } & (T[N] extends { readonly amount: 'none' }
    ? { readonly total_amount?: undefined }
    : { readonly total_amount: number | string }) &
    (T[N] extends { readonly data: StandardSchema | JsonSchema }
      ? { readonly data: DataOf<T[N]> }
      : { readonly data?: undefined });
}[K];

/** An event without a type as a client sends it. */
export type UntypedEvent = {
  readonly event_id?: string | undefined;
  readonly order_id: string;
  readonly user_id: string;
  readonly total_amount: number | string;
  readonly timestamp: string | Date;
  readonly type?: undefined;
  readonly version?: undefined;
  readonly data?: undefined;
};

/** A declaration of events: the default export of EVENTS_MODULE. */
export type DefinedEvents<
  T extends EventTypes = EventTypes,
  O extends EventOptions = EventOptions,
> = EventDefinition & {
  readonly types: T;
  /** Only for types: what a client may send. It does not exist at run time. */
  readonly '~sent'?:
    | SentEventOf<T>
    | (O extends { readonly untyped: 'refuse' } ? never : UntypedEvent);
  /**
   * A handler for the events of one type or of several, with their data typed. Its name is that of
   * the type, or of the types joined by `+`, unless another one is given. The name is part of the ids
   * of its messages, so it must not change.
   */
  readonly on: <K extends keyof T & string>(
    types: K | readonly K[],
    handle: (events: readonly StoredEventOf<T, K>[], tx: HandlerTransaction) => Promise<void>,
    rest?: { readonly name?: string } & Pick<Handler, 'check'>,
  ) => Handler;
};

/**
 * Declares the events of a team.
 * @param types every type by its name, such as `order.placed`.
 * @throws EVENTS_INVALID if the declaration cannot be used, with the type, the path and the reason.
 */
export function defineEvents<
  const T extends EventTypes,
  const O extends EventOptions = Record<never, never>,
>(types: T, options?: O): DefinedEvents<T, O> {
  const definition = { types, options: options ?? {} };
  // Compiled here to report mistakes where they are; each service compiles it again with its own copy.
  const { types: known } = compileEvents(definition);
  return {
    ...definition,
    on: (given, handle, { name, check } = {}) => {
      const on: readonly string[] = typeof given === 'string' ? [given] : given;
      const unknown = on.find((type) => !known.has(type));
      if (unknown !== undefined) throw new TypeError(`on("${unknown}"): this type is not declared`);
      const handler = { name: name ?? on.join('+'), on, handle: handle as Handler['handle'] };
      return check === undefined ? handler : { ...handler, check };
    },
  };
}
