import type { LogIdentity } from '../log/event-log.ts';
import type { Queryable, Transaction } from './queryable.ts';

/** The log_id of a log. It is created on the first call. Concurrent calls get the same one. */
export async function logIdOf(db: Queryable, identity: LogIdentity): Promise<number> {
  const { topic, topicId } = identity;
  await db.query(
    'INSERT INTO orderonce.logs (topic, topic_id) VALUES ($1, $2) ON CONFLICT (topic, topic_id) DO NOTHING',
    [topic, topicId],
  );
  const { rows } = await db.query<{ log_id: number }>(
    'SELECT log_id FROM orderonce.logs WHERE topic = $1 AND topic_id = $2',
    [topic, topicId],
  );
  return (rows[0] as { log_id: number }).log_id;
}

/** The topic of a log that has a log_id. */
export async function topicOfLog(db: Queryable, logId: number): Promise<string> {
  const { rows } = await db.query<{ topic: string }>(
    'SELECT topic FROM orderonce.logs WHERE log_id = $1',
    [logId],
  );
  return (rows[0] as { topic: string }).topic;
}

/**
 * Creates another log_id for a topic whose log was cut, because its offsets mean other records from
 * then on. Its topic_id is the topic's with "#1", "#2" and so on appended.
 */
export async function insertGeneration(
  tx: Transaction,
  { topic, topicId }: Pick<LogIdentity, 'topic' | 'topicId'>,
): Promise<number> {
  const { rows } = await tx.query<{ log_id: number }>(
    `INSERT INTO orderonce.logs (topic, topic_id)
     SELECT $1, $2 || '#' || count(*) FROM orderonce.logs
      WHERE topic = $1 AND split_part(topic_id, '#', 1) = $2
     RETURNING log_id`,
    [topic, topicId],
  );
  return (rows[0] as { log_id: number }).log_id;
}
