import type { DeclaredEvents } from '../event/declared-events.ts';
import type { Pool } from '../store/pool.ts';
import {
  cloneDatabase,
  cloneTemplate,
  dropDatabase,
  isAnyBlocked,
  lastingSessions,
} from '../store/test-databases.ts';
import type { MigrationSource } from './kit-options.ts';
import { digestOfTemplate, readTeamMigrations } from './migrations.ts';
import { findServer, openPool, type ServerOptions, type TestServer } from './server.ts';

/** The topic of the kit's log, which is partition 0 of it. Proofs with two consumers use both. */
export const TOPIC = 'order_events';
const IDENTITY = { topic: TOPIC, topicId: 'test-kit', partitions: 2 };

/** A database on the server of the run, with a pool of its own. */
export type KitDatabase = { readonly name: string; readonly url: string; readonly pool: Pool };

/** Makes, copies and drops the databases of one kit. */
export class KitDatabases {
  readonly #server: TestServer;
  readonly #made = new Set<string>();
  readonly #dropping = new Set<Promise<void>>();
  /** Of our tables, once it is known: then no pool has to look for it. */
  schema: string | undefined;

  private constructor(server: TestServer) {
    this.#server = server;
  }

  /** @returns the databases, and the first of them: ours and the team's tables, and no rows. */
  static async start(
    options: ServerOptions & {
      readonly migrations?: MigrationSource | readonly MigrationSource[] | undefined;
      readonly declared: DeclaredEvents | null;
    },
  ): Promise<{ databases: KitDatabases; first: KitDatabase }> {
    const migrations = await readTeamMigrations(options.migrations);
    const digest = await digestOfTemplate(migrations, options.declared, IDENTITY);
    const server = await findServer(options);
    const databases = new KitDatabases(server);
    try {
      const open = (name: string) => openPool(server.urlOf(name), 'template');
      const { cloneStrategy: strategy } = server;
      const { declared } = options;
      const request = { digest, migrations, declared, identity: IDENTITY, open, strategy };
      const name = await databases.#asAdmin((session) => cloneTemplate(session, request));
      databases.#made.add(name);
      const first = databases.open(name);
      return { databases, first };
    } catch (error) {
      await server.release();
      throw error;
    }
  }

  /** Opens another pool on a database. */
  open(name: string): KitDatabase {
    const url = this.#server.urlOf(name);
    const pool = openPool(url, 'test');
    if (this.schema !== undefined) pool.useSchema(this.schema);
    return { name, url, pool };
  }

  /** @param source must have no connections. @returns the name of the copy. */
  async copy(source: string): Promise<string> {
    const { cloneStrategy } = this.#server;
    const name = await this.#asAdmin((s) => cloneDatabase(s, source, cloneStrategy));
    this.#made.add(name);
    return name;
  }

  /** The application names of the sessions in a database, without those that are being closed. */
  async sessionsIn(name: string): Promise<string[]> {
    return await this.#asAdmin((session) => lastingSessions(session, name));
  }

  /** Whether a session in it waits for a lock. */
  async isAnyBlocked(name: string): Promise<boolean> {
    return await this.#asAdmin((session) => isAnyBlocked(session, name));
  }

  /** Drops a database in the background; close() waits for it. Its pools must have been ended. */
  drop(name: string): void {
    const dropping = this.#asAdmin((session) => dropDatabase(session, name))
      .then(
        (isDropped) => void (isDropped && this.#made.delete(name)),
        () => {},
      )
      .finally(() => this.#dropping.delete(dropping));
    this.#dropping.add(dropping);
  }

  /** Drops all of them and lets the server go. Their pools must have been ended. */
  async close(): Promise<void> {
    await Promise.all(this.#dropping);
    for (const name of this.#made) this.drop(name);
    await Promise.all(this.#dropping);
    await this.#server.release();
  }

  async #asAdmin<T>(work: (session: Awaited<ReturnType<Pool['connect']>>) => Promise<T>) {
    const session = await this.#server.admin.connect();
    try {
      return await work(session);
    } finally {
      session.release();
    }
  }
}
