/**
 * Detects lost replies. If a reply is lost in the network, server and client wait for each other.
 * Time alone does not show that, because a statement may take long. So the server is asked, on
 * another connection, whether it works on the statement or waits for the client.
 */
import type { Session } from './session.ts';

/** From this time on without an answer, the server is asked about a statement. */
const SILENT_MS = 1500;
/** How long a reply is still waited for afterwards. It may have been on its way. */
const GRACE_MS = 500;

const asking = new WeakSet<Session>();

/**
 * Closes the sessions that wait for a reply although the server does not work on their statement:
 * it waits for the client, has ended the session, or was replaced by another server. Their
 * statements fail, with an unknown outcome. Never throws. If the server cannot be asked, nothing is
 * closed.
 *
 * @param open opens another session with the same server.
 */
export async function endIfReplyIsLost(
  sessions: readonly Session[],
  open: () => Promise<Session>,
): Promise<void> {
  // Behind a pooler the known process ids are not those of the server, so it cannot be asked.
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
    // The server is down. Time-outs end what is under way, and the next sweep asks again.
  } finally {
    for (const session of silent) asking.delete(session);
  }
}

/** The sessions on whose statements the server does not work. */
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
