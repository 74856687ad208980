/**
 * A reply that is lost on the way leaves both sides waiting for one another. A statement may take
 * long, so time alone does not tell; the server does: on another connection it is asked whether it
 * works on the statement, or itself waits for us.
 */
import type { Session } from './session.ts';

/** Statements that take longer are asked about. */
const SILENT_MS = 1500;
/** The reply may have been under way when the server was asked; so long it is waited for. */
const GRACE_MS = 500;

const asking = new WeakSet<Session>();

/**
 * Cuts the sessions whose server waits for us or knows nothing of them: another server answers
 * now, or it has ended the session. Their statements fail, with an unknown outcome. Never throws;
 * where the server cannot be asked, nothing is cut.
 *
 * @param open opens another session with the same server.
 */
export async function endIfReplyIsLost(
  sessions: readonly Session[],
  open: () => Promise<Session>,
): Promise<void> {
  // Behind a pooler the process ids that we know are none of the server's.
  const silent = sessions.filter(
    (session) => session.silentMs > SILENT_MS && !session.facts.isPooled && !asking.has(session),
  );
  if (silent.length === 0) return;
  for (const session of silent) asking.add(session);
  const passed = new Map(silent.map((session) => [session, session.bytesPassed]));
  try {
    const waiting = await findWaiting(silent, open);
    await new Promise((done) => setTimeout(done, GRACE_MS).unref());
    for (const session of waiting) {
      const hasMoved = session.bytesPassed !== passed.get(session);
      if (!hasMoved && session.silentMs > SILENT_MS) session.destroy();
    }
  } catch {
    // The server is away. Time-outs bound what is under way, and the next sweep asks again.
  } finally {
    for (const session of silent) asking.delete(session);
  }
}

/** Those among them that the server does not work on. */
async function findWaiting(
  silent: readonly Session[],
  open: () => Promise<Session>,
): Promise<Session[]> {
  const other = await open();
  try {
    const { rows } = await other.query<{ pid: number }>(
      `SELECT pid FROM pg_catalog.pg_stat_activity
        WHERE pid = ANY ($1::int[]) AND wait_event IS DISTINCT FROM 'ClientRead'`,
      [silent.map(({ backendPid }) => backendPid)],
    );
    const working = new Set(rows.map(({ pid }) => pid));
    const isSame = ({ facts }: Session) => facts.server === other.facts.server;
    return silent.filter((session) => !(isSame(session) && working.has(session.backendPid)));
  } finally {
    void other.close();
  }
}
