/** The API with a log that acknowledges immediately: the cost of HTTP, validation and queue. */

import type { LogAppender } from '../src/log/event-log.ts';
import { createLogger } from '../src/runtime/logger.ts';
import { startProducer } from '../src/services/producer-service.ts';
import { readSettings } from '../src/settings/settings.ts';

let next = 0;
const log: LogAppender = {
  topic: 'instant',
  lanes: 1,
  laneOf: () => 0,
  laneTrouble: () => null,
  isOverAfterCheck: () => true,
  refusalOf: () => null,
  append: async (records) => records.map(() => ({ partition: 0, offset: next++ })),
  check: async () => [],
  close: async () => {},
};
const settings = readSettings({ ...process.env, PRODUCER_PORT: process.argv[2] });
const producer = await startProducer(settings, log, createLogger('error'));
process.once('SIGTERM', () => void producer.stop().then(() => process.exit()));
