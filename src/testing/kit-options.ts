import type { EventDefinition } from '../event/declaration.ts';
import type { HandlerSource } from './handler-source.ts';
import type { MigrationSource } from './migrations.ts';

export type TestKitOptions<D extends EventDefinition = EventDefinition> = {
  readonly handlers: HandlerSource;
  /** The declaration of the team's events (defineEvents). Default: events have no types. */
  readonly events?: D | undefined;
  /** The team's own tables. Run once, after ours, into the template that each kit copies. */
  readonly migrations?: MigrationSource | readonly MigrationSource[] | undefined;
  /**
   * The server to use; its role must be allowed to create databases. Default: the environment
   * variable DATABASE_URL, or an embedded PostgreSQL where that is not set.
   */
  readonly databaseUrl?: string | undefined;
  /** Folder of the embedded server's data. Default: one in the temporary directory. */
  readonly dataDir?: string | undefined;
  /** As HANDLER_TIMEOUT_MS. Default: 3000. */
  readonly handlerTimeoutMs?: number | undefined;
};

/** A message of a handler, with key and value as text where they are valid UTF-8. */
export type EmittedInTest = {
  readonly topic: string;
  readonly key: string;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly eventId: string;
  readonly handler: string;
};
