/** What dead letters, conflicts, messages and redrive jobs need; pure. */
import { utcText } from '../store/utc.ts';
import { LINKS } from './console-links.ts';
import { many, type Need, type OverviewFacts } from './need.ts';

/** The limit of the alert on the outbox. */
const OUTBOX_OLD_SECONDS = 120;

/** Parked dead letters by reason; or orders that are held although nothing is parked. */
export function ofLetters({ letters, heldOrders, heldSince }: OverviewFacts): Need[] {
  const parked = letters.filter(({ state }) => state === 'parked');
  const waiting = letters.filter(({ state }) => state === 'waiting');
  const held =
    heldOrders.count === 0
      ? null
      : `${waiting[0]?.text ?? '0'} wait behind parked ones, in ${many(heldOrders.text, 'order')}`;
  const needs = parked.map(
    ({ reason, count, text, oldest }, index): Need => ({
      kind: 'dead_letters',
      severity: 'look',
      title: `${many(text, 'dead letter')} parked: ${reason}`,
      detail: index === 0 ? held : null,
      count,
      since: oldest,
      next: 'Look at one of each group. Correct the cause, then redrive them.',
      command: null,
      link: LINKS.deadLetters({ state: 'parked', reason }),
    }),
  );
  if (parked.length > 0 || held === null) return needs;
  return [
    {
      kind: 'orders_held',
      severity: 'look',
      title: `${many(heldOrders.text, 'order')} held, though nothing is parked`,
      detail: held,
      count: heldOrders.count,
      since: heldSince,
      next: 'A redrive was interrupted. A consumer resumes it within 20 seconds; if it does not, see its log.',
      command: null,
      link: LINKS.deadLetters({ state: 'waiting' }),
    },
  ];
}

/** Conflicts of the last hour. */
export function ofConflicts({ conflictsLastHour: count }: OverviewFacts): Need[] {
  if (count === 0) return [];
  return [
    {
      kind: 'conflicts',
      severity: 'look',
      title: `${many(count, 'conflict')} in the last hour`,
      detail: 'Events came with an id that another payload has. The first one counts.',
      count,
      since: null,
      next: 'See which fields differ, and tell whoever sends them.',
      command: null,
      link: LINKS.conflicts({ sort: 'newest' }),
    },
  ];
}

/** An outbox whose oldest message is older than 2 minutes. */
export function ofOutbox({ outboxOldestSeconds, nowMs }: OverviewFacts): Need[] {
  if (outboxOldestSeconds <= OUTBOX_OLD_SECONDS) return [];
  return [
    {
      kind: 'outbox_old',
      severity: 'act',
      title: 'Messages of handlers are not published',
      detail: `The oldest has waited for ${Math.round(outboxOldestSeconds)} s`,
      count: null,
      since: utcText(nowMs - outboxOldestSeconds * 1000),
      next: 'See the health of the consumers: it names the topic and the reason.',
      command: 'npx orderonce health consumer',
      link: LINKS.doctor,
    },
  ];
}

/** Redrive jobs in an outage. */
export function ofJobs({ troubledJobs }: OverviewFacts): Need[] {
  return troubledJobs.map(({ redriveId, trouble, updatedAt }) => ({
    kind: 'redrive_troubled',
    severity: 'look',
    title: `Redrive job ${redriveId} makes no progress`,
    detail: trouble,
    count: null,
    since: updatedAt,
    next: 'It is tried again. Stop it if it should not run any more.',
    command: null,
    link: LINKS.redrive(redriveId),
  }));
}
