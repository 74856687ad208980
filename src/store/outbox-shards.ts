/** The tables outbox_shards and outbox_relays: which relay publishes which share of the keys. */
import { SHARDS } from '../log/message.ts';
import type { Pool } from './pool.ts';
import type { Transaction } from './queryable.ts';
import { inTransaction } from './transaction.ts';

const LIMITS = { lockMs: 2000, statementMs: 3000, idleMs: 3000 };

/**
 * Renews the leases of a relay and approaches an even share: the relay takes shards without a valid
 * lease, and releases shards beyond its share.
 *
 * @param isStuck the log has not acknowledged an append of this relay for long. If there are other
 * relays, it releases all shards to them. If it is the only one, it continues with what it can
 * publish.
 * @returns the shards that this relay has for `leaseMs` from the call on.
 */
export async function leaseShards(
  pool: Pool,
  owner: string,
  leaseMs: number,
  isStuck = false,
): Promise<number[]> {
  return await inTransaction(pool, LIMITS, async (tx) => {
    const relays = await countRelays(tx, owner, leaseMs);
    if (isStuck && relays > 1) {
      await leaveShards(tx, owner);
      return [];
    }
    const share = Math.ceil(SHARDS / relays);
    const { rows } = await tx.query<{ shard: number }>(
      `UPDATE orderonce.outbox_shards SET lease_until = now() + $2 * interval '1 ms'
        WHERE owner = $1 RETURNING shard`,
      [owner, leaseMs],
    );
    const held = rows.map(({ shard }) => shard);
    if (held.length > share) {
      await tx.query(
        'UPDATE orderonce.outbox_shards SET owner = NULL WHERE shard = ANY ($1::int[])',
        [held.slice(share)],
      );
      return held.slice(0, share);
    }
    const taken = await tx.query<{ shard: number }>(
      `UPDATE orderonce.outbox_shards SET owner = $1, lease_until = now() + $2 * interval '1 ms'
        WHERE shard IN (
          SELECT shard FROM orderonce.outbox_shards WHERE owner IS NULL OR lease_until < now()
           ORDER BY shard LIMIT $3 FOR UPDATE SKIP LOCKED)
        RETURNING shard`,
      [owner, leaseMs, share - held.length],
    );
    return [...held, ...taken.rows.map(({ shard }) => shard)];
  });
}

/** The number of live relays, including this one, which it registers. */
async function countRelays(tx: Transaction, owner: string, leaseMs: number): Promise<number> {
  await tx.query(
    `INSERT INTO orderonce.outbox_relays (owner, alive_until) VALUES ($1, now() + $2 * interval '1 ms')
     ON CONFLICT (owner) DO UPDATE SET alive_until = excluded.alive_until`,
    [owner, leaseMs],
  );
  const { rows } = await tx.query<{ n: number }>(
    `WITH gone AS (DELETE FROM orderonce.outbox_relays WHERE alive_until < now() - interval '1 hour')
     SELECT count(*)::int AS n FROM orderonce.outbox_relays WHERE alive_until >= now()`,
  );
  return Math.max(1, rows[0]?.n ?? 1);
}

/** Releases all shards of a relay, so that the others need not wait until its leases expire. */
export async function releaseShards(pool: Pool, owner: string): Promise<void> {
  await inTransaction(pool, LIMITS, (tx) => leaveShards(tx, owner));
}

async function leaveShards(tx: Transaction, owner: string): Promise<void> {
  await tx.query('UPDATE orderonce.outbox_shards SET owner = NULL WHERE owner = $1', [owner]);
  await tx.query('DELETE FROM orderonce.outbox_relays WHERE owner = $1', [owner]);
}
