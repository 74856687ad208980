/** The way from chosen dead letters to a job: speed, plan, confirmation. */
import { post } from './api.js';
import { actorName, ask, countField, reasonField } from './dialog.js';
import { el } from './dom.js';
import { clip, many, number } from './format.js';
import { outcome } from './outcomes.js';

/**
 * Plans a job, shows the plan, and starts the job if it is confirmed.
 * @param choice { filter } or { places }.
 * @param action redrive or discard.
 */
export async function startJob(app, choice, action = 'redrive') {
  const actor = await actorName();
  if (actor === null) return;
  const wanted = { ...choice, action };
  const limits = action === 'discard' ? {} : await askLimits();
  if (limits === null) return;
  Object.assign(wanted, limits);
  try {
    app.say('Planning …');
    const plan = await post('/redrives', { ...wanted, dry_run: true }, actor);
    app.say('');
    if (plan.count === 0)
      return app.say('No parked dead letter matches. Only parked ones are redriven.');
    const confirmed = await confirm(plan, action);
    if (confirmed === null) return;
    const job = await post('/redrives', { ...wanted, ...confirmed }, actor);
    app.say(`Job ${job.redrive_id} has begun.`);
    app.go(`/console/redrives/${job.redrive_id}`);
  } catch (error) {
    app.say(error.message);
  }
}

/** @returns how fast, and how many; null if it was cancelled. */
async function askLimits() {
  const fields = [
    {
      name: 'first',
      label: 'Only the first',
      hint: 'Empty: all',
      check: wholeOrEmpty(999_999_999),
    },
    {
      name: 'per_second',
      label: 'At most a second',
      hint: 'Empty: as fast as it can',
      check: wholeOrEmpty(1000),
    },
  ];
  const content = [
    el(
      'p',
      {},
      'The next step shows a plan: the first 20 are tried and rolled back. Nothing changes before you confirm.',
    ),
  ];
  const given = await ask({ title: 'Redrive dead letters', content, fields, confirm: 'Plan' });
  if (given === null) return null;
  const numbers = Object.entries(given).filter(([, text]) => text !== '');
  return Object.fromEntries(numbers.map(([name, text]) => [name, Number(text)]));
}

function wholeOrEmpty(max) {
  return (text) => {
    if (text === '') return null;
    const isWhole = /^\d{1,9}$/.test(text) && Number(text) >= 1 && Number(text) <= max;
    return isWhole ? null : `A whole number from 1 to ${number(max)}, or nothing.`;
  };
}

async function confirm(plan, action) {
  const { total, count, needs } = plan;
  const fields = [];
  if (needs.includes('count')) fields.push(countField(count));
  if (needs.includes('reason')) fields.push(reasonField());
  const isDiscard = action === 'discard';
  const verb = isDiscard ? 'Discard' : 'Redrive';
  const title = `${verb} ${total === count ? '' : `the first ${number(total)} of `}${many(count, 'dead letter')}?`;
  const text = isDiscard
    ? 'They will never take effect. This cannot be undone.'
    : 'Those that wait behind them follow. A redrive takes effect once, however often it is requested.';
  const content = [el('p', {}, text), ...triedList(plan)];
  const given = await ask({
    title,
    content,
    fields,
    confirm: `${verb} ${number(total)}`,
    isDanger: isDiscard,
  });
  if (given === null) return null;
  const { reason } = given;
  // The count holds the job to what was looked at.
  return { count, ...(reason === undefined ? {} : { reason }) };
}

function triedList({ tried, outcomes }) {
  if (tried.length === 0) return [];
  const sums = Object.entries(outcomes).map(([word, n]) =>
    el('li', {}, outcome(word), ` ${number(n)}`),
  );
  const failed = tried.filter(({ message }) => message !== undefined);
  const messages = failed
    .slice(0, 5)
    .map(({ place, message }) => el('li', {}, el('code', {}, place), ` ${clip(message, 200)}`));
  return [
    el('p', {}, `Of ${many(tried.length, 'dead letter')} that were tried and rolled back:`),
    el('ul', { className: 'legend' }, ...sums),
    messages.length === 0 ? '' : el('ul', { className: 'soft' }, ...messages),
  ];
}
