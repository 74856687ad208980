/** Producer and consumer in this process, with the embedded log on a database of their own. */
import type { TestContext } from 'node:test';
import type { Examine } from '../../src/admin/doctor-cache.ts';
import {
  createEmbeddedLog,
  EmbeddedAppender,
  EmbeddedReader,
} from '../../src/log-embedded/embedded-log.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { startConsumer } from '../../src/services/consumer-service.ts';
import { eventModelOf } from '../../src/services/event-model.ts';
import { startProducer } from '../../src/services/producer-service.ts';
import type { Settings } from '../../src/settings/settings.ts';
import { migrate } from '../../src/store/migrate.ts';
import type { Pool } from '../../src/store/pool.ts';
import { createDatabase } from './database.ts';
import { testSettings } from './settings.ts';

const TOPIC = 'order_events';

/**
 * Both run until the test ends. GET /events/{event_id} of the producer redirects to the consumer.
 * @param examined makes the checks of GET /doctor.
 */
export async function startEmbeddedServices(
  t: TestContext,
  env: Record<string, string> = {},
  examined?: (settings: Settings, pool: Pool) => ReturnType<Examine>,
) {
  const database = await createDatabase(t);
  const { pool, url } = database;
  const logger = createLogger('silent');
  await createEmbeddedLog(pool, TOPIC, 4);
  const reader = new EmbeddedReader(pool, TOPIC);
  const own = testSettings(env);
  const { rules } = await eventModelOf(own);
  if (rules.declared !== null) await migrate(pool, { declared: rules.declared });
  const examine = examined && ((queries: Pool) => examined(own, queries));
  const consumer = await startConsumer(own, url, reader, logger, examine);
  t.after(() => consumer.stop());
  const consumerUrl = `http://127.0.0.1:${consumer.port}`;
  const settings = testSettings({ ...env, STATUS_BASE_URL: consumerUrl });
  const producer = await startProducer(settings, new EmbeddedAppender(pool, TOPIC), logger);
  t.after(() => producer.stop());
  return { database, consumerUrl, producerUrl: `http://127.0.0.1:${producer.port}` };
}
