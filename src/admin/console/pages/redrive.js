/** One redrive job: progress, rate, outcomes, and how to stop it. */
import { get, post, serverNow } from '../api.js';
import { actorName } from '../dialog.js';
import { button, el, facts, link } from '../dom.js';
import { ago, number, span, time } from '../format.js';
import { choiceText } from '../job.js';
import { outcome } from '../outcomes.js';
import { isLocalTime } from '../preferences.js';
import { queryText } from '../url-state.js';

const OPEN = ['waiting', 'running'];

export function open(page) {
  const id = page.rest;
  page.heading(`Redrive ${id}`, link('/console/redrives', 'All redrives'));
  const bar = el('progress', { 'aria-label': 'Progress' });
  const percent = el('p', { className: 'strong' });
  const actions = el('div', { className: 'bar' });
  const about = el('div');
  const stop = button('Stop', () => void stopJob(page, id, panel), { className: 'danger' });
  const show = (job, body) => {
    bar.max = Math.max(1, job.total);
    bar.value = job.tried;
    percent.textContent = progressText(job);
    const isOpen = OPEN.includes(job.state) && page.app.may.change;
    if (isOpen !== (stop.parentNode !== null)) actions.replaceChildren(...(isOpen ? [stop] : []));
    about.replaceChildren(factsOf(job), ...outcomesOf(job));
    if (body.firstChild === null) body.append(percent, bar, actions, about);
  };
  const panel = page.panel({
    title: 'Progress',
    everyMs: 2000,
    events: ['redrive'],
    // The bar and the button stay the same elements.
    isHeld: false,
    load: (signal) => get(`/redrives/${encodeURIComponent(id)}`, signal),
    show,
  });
  page.on('redrive', (job) => {
    if (String(job.redrive_id) === id && panel.body.firstChild !== null) show(job, panel.body);
  });
}

function progressText({ state, tried, total, seconds_left: left }) {
  const share = total === 0 ? 100 : Math.floor((tried / total) * 100);
  const rest = left === null ? '' : `, about ${span(left)} left`;
  return `${share} %: ${number(tried)} of ${number(total)} tried, ${state}${rest}`;
}

function factsOf(job) {
  const isLocal = isLocalTime();
  const { started_at: started, finished_at: finished, per_second: rate } = job;
  return facts([
    ['state', outcome(job.state)],
    ['trouble', job.trouble === null ? null : el('span', { className: 'bad' }, job.trouble)],
    ['action', job.action],
    ['what', choiceText(job)],
    ['speed', speedText(job)],
    ['limit', rate === null ? 'as fast as it can' : `${number(rate)} a second`],
    ['asked by', job.asked_by],
    ['reason', job.reason],
    ['stopped by', job.stopped_by],
    ['consumer', job.owner],
    ['asked', time(job.created_at, isLocal)],
    ['began', time(started, isLocal)],
    [
      'ended',
      finished === null ? null : `${time(finished, isLocal)}, ${ago(finished, serverNow())} ago`,
    ],
  ]);
}

function speedText({ tried, started_at: started, finished_at: finished, updated_at: updated }) {
  if (started === null || tried === 0) return null;
  const seconds = (Date.parse(finished ?? updated) - Date.parse(started)) / 1000;
  return seconds <= 0 ? null : `${number(Math.round((tried / seconds) * 10) / 10)} a second`;
}

function outcomesOf({ outcomes, filter }) {
  const entries = Object.entries(outcomes);
  if (entries.length === 0) return [];
  const items = entries.map(([word, count]) => el('li', {}, outcome(word), ` ${number(count)}`));
  const isLeft = (outcomes.failed ?? 0) + (outcomes.invalid ?? 0) > 0;
  const left = `/console/dead-letters${queryText({ state: 'parked', ...(filter ?? {}) })}`;
  return [
    el('h3', {}, 'Outcomes'),
    el('ul', { className: 'legend' }, ...items),
    isLeft ? el('p', {}, link(left, 'Show what is still parked')) : '',
  ];
}

async function stopJob(page, id, panel) {
  const actor = await actorName();
  if (actor === null) return;
  try {
    await post(`/redrives/${id}/stop`, {}, actor, page.signal);
    page.app.say(`Job ${id} stops after the dead letter under way. What it has done stays done.`);
  } catch (error) {
    page.app.say(error.message);
  }
  panel.reload(true);
}
