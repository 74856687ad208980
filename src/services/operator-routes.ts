/** The parts of the consumer service that answer operators: overview, search, jobs, and the stream. */
import { DoctorCache, type Examine } from '../admin/doctor-cache.ts';
import { addFleetRoutes } from '../admin/fleet-routes.ts';
import { JobFeed } from '../admin/job-feed.ts';
import { LiveStreams } from '../admin/live-streams.ts';
import { addLookupRoutes } from '../admin/lookup-routes.ts';
import { OutcomeFeed } from '../admin/outcome-feed.ts';
import { OverviewFeed } from '../admin/overview-feed.ts';
import { addOverviewRoutes } from '../admin/overview-routes.ts';
import { addRedriveRoutes } from '../admin/redrive-routes.ts';
import { addStreamRoute } from '../admin/stream-route.ts';
import { readReports, reportsOf } from '../positions/report.ts';
import type { HttpServer } from '../runtime/http-server.ts';
import { readProofState } from '../store/proof-summary.ts';
import type { Parts } from './consumer-parts.ts';
import { openReader } from './open-log.ts';
import { messageIdsOf, recordPeek } from './record-peek.ts';

/**
 * Adds the routes.
 * @param databaseTrouble why PostgreSQL cannot be used; null if it can.
 * @param examine makes the checks of the doctor; undefined if this process cannot.
 * @returns what must be stopped before the server can close.
 */
export function addOperatorRoutes(
  app: HttpServer,
  parts: Parts,
  databaseTrouble: () => string | null,
  examine: Examine | undefined,
): { stop(): void } {
  const { settings, pools, readers, redrives, owner } = parts;
  const db = pools.queries;
  const doctor = examine === undefined ? null : new DoctorCache(examine);
  const overview = new OverviewFeed({
    db,
    reports: () => reportsOf(readers, (reader) => readReports(reader, db)),
    databaseTrouble,
    doctor: () => doctor?.summary ?? null,
    // With PROOF=off in this process nobody may prove, and then an old proof is no trouble.
    proof: parts.proof === null ? async () => null : readProofState,
  });
  addOverviewRoutes(app, pools.ledgers, overview);
  const peek = recordPeek((topic) => openReader(settings, () => pools.ledgers, topic), parts.rules);
  const { eventIdAt } = peek;
  const sources = { db: pools.ledgers, topic: settings.KAFKA_TOPIC, rules: parts.rules, eventIdAt };
  addLookupRoutes(app, db, sources, (eventId) => messageIdsOf(db, eventId));
  addFleetRoutes(app, db, owner, doctor);
  addRedriveRoutes(app, redrives, () => parts.jobs.notify());
  const outcomes = new OutcomeFeed(pools.ledgers);
  const streams = new LiveStreams({ overview, outcomes, jobs: new JobFeed(db) });
  addStreamRoute(app, streams);
  return {
    stop: () => {
      streams.stop();
      peek.stop();
    },
  };
}
