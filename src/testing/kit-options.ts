import type { EventDefinition } from '../event/declaration.ts';
import type { HandlerSource } from './handler-source.ts';

/**
 * A folder (its `.sql` files run in the order of their names), a file, or SQL text: a string with
 * white space in it is text, any other string is a path from the working directory.
 */
export type MigrationSource = string | URL;

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

export type ProofOptions = {
  /**
   * Columns that are not compared, as `table.column`, or `*.column` for all tables: those whose
   * values are meant to differ, such as a `created_at` with `DEFAULT now()`. Default: none.
   */
  readonly ignore?: readonly string[] | undefined;
};
