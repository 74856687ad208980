/** The troubles of the demonstration: how each is brought about, and how it is ended. */
import { randomUUID } from 'node:crypto';
import { until } from '../../test/support/until.ts';
import type { Deployment } from './deployment.ts';
import { event, events } from './deployment.ts';

export type Trouble = {
  readonly what: string;
  /** The alerts that it must make fire, and that must clear afterwards. */
  readonly alerts: readonly string[];
  /** The same for alerts that fire only because of how the trouble ends. */
  readonly alertsAtEnd?: readonly string[];
  readonly begin: (deployment: Deployment) => Promise<void>;
  /** Called again and again while alerts are waited for, so that there is traffic. */
  readonly meanwhile?: (deployment: Deployment) => Promise<unknown>;
  readonly end: (deployment: Deployment) => Promise<void>;
};

const nothing = async () => {};
const TAMPERED = randomUUID();
const TOPIC_OF_OUTBOX = 'order_processed';

export const TROUBLES: readonly Trouble[] = [
  {
    what: 'handlers fail: their table is gone',
    alerts: ['Stalled', 'Stale', 'Retrying'],
    // Freshness is measured when events take effect.
    alertsAtEnd: ['FreshnessBurn'],
    begin: async ({ db }) => {
      await db.query('ALTER TABLE charge_balances RENAME TO charge_balances_gone');
    },
    meanwhile: (d) => d.send(events(5)),
    end: async ({ db }) => {
      await db.query('ALTER TABLE IF EXISTS charge_balances_gone RENAME TO charge_balances');
    },
  },
  {
    what: 'events of a blocked user are refused',
    alerts: ['Parking', 'DeadLetters', 'DeadLetterOld'],
    begin: async (d) => {
      await d.db.query(
        `INSERT INTO charge_balances (user_id, charged, is_blocked) VALUES ('blocked', 0, true)`,
      );
      await d.send([...events(30), ...events(10, { user_id: 'blocked' })]);
    },
    end: async (d) => {
      await d.db.query(`UPDATE charge_balances SET is_blocked = false`);
      await d.change('/dead-letters/redrive?all=true');
    },
  },
  {
    what: 'a sender reuses an event id for another payload',
    alerts: ['Conflicts'],
    begin: async (d) => {
      const first = event();
      await d.send([first, { ...first, total_amount: '1.00' }]);
    },
    end: nothing,
  },
  {
    what: 'a sender resends everything; another sends what is not valid',
    alerts: ['Resends', 'Rejects'],
    begin: nothing,
    meanwhile: async (d) => {
      const sent = events(10);
      for (let i = 0; i < 2; i++) await d.send(sent);
      await d.send(events(5, { total_amount: -1 }));
    },
    end: nothing,
  },
  {
    what: 'the log does not answer the producer',
    alerts: ['AnswersFail', 'QueueFills'],
    begin: async ({ proxy }) => {
      proxy.fault = () => 'swallow';
    },
    meanwhile: async (d) => {
      void Promise.all(Array.from({ length: 20 }, () => d.send(events(1))));
    },
    end: async ({ proxy }) => {
      // The connections that were swallowed never answer again.
      proxy.refuse();
      proxy.heal();
    },
  },
  {
    what: 'the log of the outbox does not answer',
    alerts: ['OutboxOld'],
    begin: async (d) => {
      await d.kill('consumer');
      await d.db.query(
        `WITH log AS (INSERT INTO logs (topic, topic_id) VALUES ($1, 'alerts') RETURNING log_id)
         INSERT INTO event_log_partitions (log_id, log_partition)
         SELECT log_id, generate_series(0, 5) FROM log`,
        [TOPIC_OF_OUTBOX],
      );
      // An append needs these rows. They stay locked until the end of the trouble.
      await d.db.query('BEGIN');
      await d.db.query(
        `SELECT FROM event_log_partitions p JOIN logs l USING (log_id) WHERE l.topic = $1
            FOR UPDATE OF p`,
        [TOPIC_OF_OUTBOX],
      );
      await d.run('consumer', { ORDER_PROCESSED_TOPIC: TOPIC_OF_OUTBOX });
      await d.send(events(5));
    },
    end: async ({ db }) => {
      await db.query('ROLLBACK');
    },
  },
  {
    what: 'the producer is gone',
    alerts: ['Gone'],
    begin: (d) => d.kill('producer'),
    end: (d) => d.run('producer'),
  },
  {
    what: 'retention removes records before they are processed, and the loss is accepted',
    alerts: ['Stopped'],
    alertsAtEnd: ['Gap'],
    begin: async (d) => {
      await d.kill('consumer');
      await d.send(events(60));
      await d.db.query(
        `UPDATE event_log_partitions SET start_offset = next_offset
          WHERE log_partition = 0 AND log_id = (SELECT log_id FROM consumer_positions LIMIT 1)`,
      );
      await d.db.query(
        `DELETE FROM event_log e USING event_log_partitions p
          WHERE e.log_id = p.log_id AND e.log_partition = 0 AND p.log_partition = 0
            AND e.log_offset < p.start_offset`,
      );
      await d.run('consumer');
    },
    end: (d) => d.command('positions', 'accept-gap', '0', '--reason', 'shown by npm run alerts'),
  },
  {
    what: 'the sum of an order is altered in PostgreSQL',
    alerts: ['ProofFinding'],
    begin: async (d) => {
      await d.send([event({ order_id: TAMPERED })]);
      await until('the order is there', async () => (await alterOrder(d, '+ 1')) === 1);
    },
    // The head of the proof examines the orders of new events.
    meanwhile: (d) => d.send([event({ order_id: TAMPERED })]),
    end: async (d) => {
      await alterOrder(d, '- 1');
    },
  },
  {
    what: 'the index that the proof needs is gone',
    alerts: ['ProofStale'],
    begin: async ({ db }) => {
      await db.query('DROP INDEX processed_events_place');
    },
    end: (d) => d.command('migrate'),
  },
  {
    what: 'a certificate ends in 3 days',
    alerts: ['Certificate'],
    begin: nothing,
    end: async (d) => d.makeCertificate(90),
  },
];

async function alterOrder({ db }: Deployment, by: '+ 1' | '- 1'): Promise<number> {
  const { rowCount } = await db.query(
    `UPDATE orders SET event_count = event_count ${by} WHERE order_id = $1`,
    [TAMPERED],
  );
  return rowCount ?? 0;
}

let stopStranger: () => Promise<unknown> = nothing;

/** These need a consumer group of Kafka. */
export const GROUP_TROUBLES: readonly Trouble[] = [
  {
    what: 'a second deployment with another database is in the same consumer group',
    alerts: ['Unattended'],
    begin: async (d) => {
      stopStranger = await d.runStranger();
    },
    meanwhile: (d) => d.send(events(20)),
    end: async () => {
      await stopStranger();
    },
  },
  {
    what: 'a consumer starts and ends again and again',
    alerts: ['Rebalances'],
    begin: nothing,
    meanwhile: async (d) => (await d.runStranger())(),
    end: nothing,
  },
];
