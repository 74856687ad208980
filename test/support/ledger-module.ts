/** Refuses an amount of 666 until the table `fixed` has a row. */
export const LEDGER_MODULE = `
import { TerminalError } from 'orderonce/handlers';
export const handlers = [{
  name: 'ledger',
  async handle(events, tx) {
    const { rows } = await tx.query('SELECT FROM fixed');
    if (rows.length === 0 && events.some((e) => e.totalAmount === '666.0000')) throw new TerminalError('no');
    await tx.query('INSERT INTO ledger SELECT unnest($1::uuid[])', [events.map((e) => e.eventId)]);
  },
  async check(db) {
    const { rows } = await db.query('SELECT event_id FROM processed_events EXCEPT SELECT event_id FROM ledger');
    return rows.map((row) => row.event_id + ' has no effect');
  },
}];
`;
