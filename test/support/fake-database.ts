import { eventsToInsert, FakePool, inserted, uuidsOf } from './fake-pool.ts';

/** A fake PostgreSQL with the positions in memory. Every event is new. */
export class FakeDatabase extends FakePool {
  readonly positions = new Map<number, number>();
  readonly stored: string[] = [];
  logId = 1;
  topicId = 'topic-1';
  #moved: [partition: number, from: number][] = [];

  constructor() {
    super();
    this.script = [
      ['ROLLBACK', () => this.#undo()],
      ['SELECT log_id FROM logs', () => ({ rows: [{ log_id: this.logId }] })],
      ['INSERT INTO consumer_positions', (values) => this.#place(values)],
      ['FROM consumer_positions', () => ({ rows: this.#rows() })],
      ['UPDATE consumer_positions', (values) => this.#move(values)],
      ['INSERT INTO processed_events', (values) => this.#store(values)],
      ['event_id = ANY', (values) => this.#claims(values)],
      ['INSERT INTO duplicates', (values) => ({ rowCount: uuidsOf(values[3]).length })],
    ];
  }

  #place([, , partitions, starts]: unknown[]) {
    (partitions as number[]).forEach((partition, i) => {
      this.positions.set(partition, (starts as number[])[i] as number);
    });
    return {};
  }

  #undo() {
    for (const [partition, next] of this.#moved.splice(0)) this.positions.set(partition, next);
    return {};
  }

  #rows() {
    return [...this.positions].map(([partition, nextOffset]) => ({
      partition,
      logId: 1,
      topicId: this.topicId,
      nextOffset,
      lastOffset: null,
      lastDigest: null,
      waitsFor: null,
    }));
  }

  #move(values: unknown[]) {
    const [partitions, froms, tos] = values.slice(3) as [number[], number[], number[]];
    const rows: { partition: number; any_claims: boolean }[] = [];
    this.#moved = [];
    for (const [i, partition] of partitions.entries()) {
      const from = froms[i] as number;
      if (this.positions.get(partition) !== from) continue;
      this.#moved.push([partition, from]);
      this.positions.set(partition, tos[i] as number);
      rows.push({ partition, any_claims: false });
    }
    return { rows };
  }

  #store(values: unknown[]) {
    const events = eventsToInsert(values);
    const fresh = events.filter(({ eventId }) => !this.stored.includes(eventId));
    this.stored.push(...fresh.map(({ eventId }) => eventId));
    const known = events.filter((event) => !fresh.includes(event)).map(({ eventId }) => eventId);
    return inserted(fresh.length, fresh.length === 0 ? null : known);
  }

  #claims([ids]: unknown[]) {
    const rows = uuidsOf(ids).map((eventId) => {
      return { eventId, digest: this.digestOf(eventId), logId: 1, partition: 0, offset: 0 };
    });
    return { rows };
  }

  digestOf = (_eventId: string) => '';
}
