/**
 * A redrive in the process of the command. It needs the handlers that the deployment has recorded:
 * with other handlers or none, the events would take effect without those of the deployment.
 */
import { discard, redrive, redriveEdited, redriveMatching } from '../dead-letters/redrive.ts';
import type { RedriveContext, RedriveResult } from '../dead-letters/redrive-one.ts';
import { OrderonceError } from '../errors.ts';
import { storedIdOf } from '../event/text-ids.ts';
import { assertSameHandlers, identityOf } from '../handlers/handlers-identity.ts';
import { eventModelOf } from '../services/event-model.ts';
import { handlerSetOf } from '../services/handler-set.ts';
import { readDeployedHandlers } from '../store/deployment-handlers.ts';
import { type LogPlace, placeText } from '../store/log-place.ts';
import type { Pool } from '../store/pool.ts';
import { actorName } from './actor.ts';
import { type Call, EXIT } from './command.ts';
import type { JobRequest } from './consumer-api.ts';
import { databaseUrlOf, openPool } from './database.ts';
import { isAnyLeft, outcomesText } from './job-text.ts';
import { plain } from './output.ts';
import { usageError } from './values.ts';

/** What the command line asks for of one dead letter. */
export type Wish = {
  readonly action: 'redrive' | 'edit' | 'discard';
  readonly place: LogPlace;
  readonly body: Buffer;
};
/**
 * Redrives, edits or discards one dead letter.
 * @param url where no consumer answered, for the messages.
 * @throws HANDLERS_DIFFER, DEAD_LETTER_UNKNOWN, EDIT_REFUSED
 */
export async function redriveHere(call: Call, wish: Wish, url: string): Promise<RedriveResult[]> {
  return await withContext(call, url, async (context) => {
    if (wish.action === 'redrive') return await redrive(context, wish.place);
    if (wish.action === 'edit') return await redriveEdited(context, wish.place, wish.body);
    const { reason } = JSON.parse(wish.body.toString('utf8')) as { reason: string };
    return await discard(context, wish.place, reason);
  });
}

/**
 * Redrives all parked ones that match. Each result is told as it comes, so that an interrupted
 * redrive has shown what it did; the sums are the data, as those of a job.
 * @returns the exit code. @throws HANDLERS_DIFFER, NOTHING_MATCHES
 */
export async function redriveManyHere(
  call: Call,
  { filter = {}, count, reason: why, per_second, first }: JobRequest,
  url: string,
): Promise<number> {
  if ([count, why, per_second, first].some((flag) => flag !== undefined)) {
    throw usageError('--count, --why, --rate and --first need a consumer, which runs the job');
  }
  const { out } = call;
  const { reason, order_id: order } = filter;
  const outcomes: Record<string, number> = {};
  let tried = 0;
  await withContext(call, url, async (context) => {
    const { declared } = context.rules;
    const orderId = order === undefined ? undefined : storedIdOf(order, 'orderId', declared);
    if (orderId === null) throw usageError(`"${order}" is not the id of an order`);
    for await (const { results } of redriveMatching(context, { reason, orderId })) {
      tried += 1;
      for (const { outcome, message = '', ...place } of results) {
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        out.say(`${placeText(place)}  ${outcome}  ${plain(message)}`.trimEnd());
      }
    }
  });
  if (tried === 0 && (reason ?? order) !== undefined) {
    const message = 'No parked dead letter matches. See "orderonce dead-letters groups"';
    throw new OrderonceError('NOTHING_MATCHES', message);
  }
  out.data(`${tried} tried, ${outcomesText(outcomes)}`, { redrive_id: null, tried, outcomes });
  return isAnyLeft(outcomes) ? EXIT.failed : EXIT.ok;
}

async function withContext<T>(
  { settings, flags, out }: Call,
  url: string,
  work: (context: RedriveContext) => Promise<T>,
): Promise<T> {
  const pool = openPool(await databaseUrlOf(settings), 'orderonce-dead-letters');
  try {
    const handlers = await handlerSetOf(settings);
    const identity = await identityOf(settings, handlers.handlers);
    await assertHandlers(pool, identity, flags.local === true ? null : url);
    if (flags.local !== true) {
      out.say(
        `No consumer answers at ${url}. This process does the work, with the handlers of the deployment`,
      );
    }
    const actor = actorName();
    return await work({ pool, handlers, ...(await eventModelOf(settings)), actor });
  } finally {
    await pool.end();
  }
}

/** @param url null if no consumer was asked. @throws HANDLERS_DIFFER */
async function assertHandlers(
  pool: Pool,
  identity: Awaited<ReturnType<typeof identityOf>>,
  url: string | null,
): Promise<void> {
  try {
    assertSameHandlers(identity, await readDeployedHandlers(pool));
  } catch (error) {
    if (url === null || !(error instanceof OrderonceError)) throw error;
    const message = `No consumer answers at ${url}, and this process cannot do the work. ${error.message}`;
    throw new OrderonceError(error.code, message);
  }
}
