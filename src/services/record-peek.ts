/** What search reads beside the tables: single records of the log, and ids of messages. */
import type { FindSources } from '../admin/find.ts';
import { decodeTopic, type RecordRules } from '../log/decode-hook.ts';
import type { LogReader } from '../log/event-log.ts';
import { messageIdOf } from '../log/message.ts';
import { readSlice } from '../log/read-slice.ts';
import { within } from '../runtime/deadline.ts';
import { readDeployedHandlers } from '../store/deployment-handlers.ts';
import type { Queryable } from '../store/queryable.ts';

const PEEK_MS = 3000;
/** How many messages of one handler for one event are looked for. */
const MESSAGES_MAX = 50;

/**
 * Reads single records for search. The reader of the consumer must not be used for that: a fetch may
 * return answers to the requests of others. So a second one of each topic is opened when it is first
 * needed.
 *
 * @param open opens that reader.
 */
export function recordPeek(open: (topic: string) => Promise<LogReader>, rules: RecordRules) {
  const readers = new Map<string, Promise<LogReader>>();
  /** One at a time, for the same reason. */
  let reading: Promise<unknown> = Promise.resolve();
  const eventIdAt: FindSources['eventIdAt'] = async ({ topic, topicId, partition }, offset) => {
    const opening = readers.get(topic) ?? open(topic);
    readers.set(topic, opening);
    // What could not be opened is opened anew for the next search.
    opening.catch(() => readers.delete(topic));
    const reader = await opening;
    const read = readSlice.bind(null, reader, topicId, { partition, offset });
    const slice = reading.then(read, read);
    reading = slice.catch(() => {});
    const late = () => new Error('The log does not return the record');
    const { records } = await within(PEEK_MS, slice, late);
    const record = records.find((one) => one.offset === offset);
    const [event] = record === undefined ? [] : decodeTopic([record], { rules, topic }).events;
    return event?.event.eventId ?? null;
  };
  const stop = () => {
    for (const opening of readers.values()) {
      void opening.then((reader) => reader.close(500)).catch(() => {});
    }
  };
  return { eventIdAt, stop };
}

/** The ids of the messages that the handlers of the deployment may have emitted for an event. */
export async function messageIdsOf(db: Queryable, eventId: string): Promise<string[]> {
  const deployed = await readDeployedHandlers(db);
  return (deployed?.handlers ?? []).flatMap(({ name: handler }) =>
    Array.from({ length: MESSAGES_MAX }, (_, n) => messageIdOf({ eventId, handler, n })),
  );
}
