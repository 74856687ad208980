/**
 * Stops the embedded server of the test kit when nobody uses it. A process of its own, because a
 * test process may be killed at any time and the server must not be left running.
 *
 *   node keeper.ts DATA_FOLDER
 */
import pg from 'pg';
import { findRunning, shutDown } from '../embedded/server.ts';
import { withStartLock } from '../embedded/start-lock.ts';
import { pause } from '../runtime/backoff.ts';
import { countOtherSessions, takeKeeperLock } from '../store/test-databases.ts';
import { embeddedUrl, serverPlaceOf } from './server.ts';

const CHECK_MS = 500;
/** Between two test files nobody may use the server for a moment; a start costs more. */
const UNUSED_MS = 5000;

await keep(process.argv[2] as string);
process.exit(0);

async function keep(folder: string): Promise<void> {
  const place = await serverPlaceOf(folder);
  const server = await findRunning(place);
  if (server === null) return;
  const client = new pg.Client({
    connectionString: await embeddedUrl(place, server.port, 'postgres'),
    application_name: 'orderonce-kit-keeper',
  });
  // The server has ended: there is nothing left to stop.
  client.on('error', () => process.exit(0));
  await client.connect();
  if (!(await takeKeeperLock(client))) return;
  let unusedSince = performance.now();
  for (;;) {
    await pause(CHECK_MS);
    if ((await countOtherSessions(client)) > 0) unusedSince = performance.now();
    if (performance.now() - unusedSince < UNUSED_MS) continue;
    const isStopped = await withStartLock(folder, async () => {
      // Whoever starts to use the server does so under this lock.
      if ((await countOtherSessions(client)) > 0) return false;
      await shutDown(server);
      return true;
    });
    if (isStopped) return;
  }
}
