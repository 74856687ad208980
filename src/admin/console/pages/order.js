/** An order: its sums, what holds it, and its events. */
import { get, serverNow } from '../api.js';
import { el, facts, link } from '../dom.js';
import { ago, clip, many, number, time } from '../format.js';
import { isLocalTime } from '../preferences.js';
import { KeyedTable } from '../table.js';

export function open(page) {
  const id = page.rest;
  page.heading('Order', el('code', {}, clip(id, 200)));
  const isLocal = isLocalTime();
  const table = new KeyedTable({
    label: 'Stored events',
    empty: 'None of its events is stored.',
    keyOf: ({ place }) => place,
    columns: [
      { title: 'place', className: 'id', cell: ({ place }) => place },
      {
        title: 'event',
        className: 'id',
        // Without a column of its own, since deployments that declare no types would have it empty.
        cell: ({ event_id: id, type, version }) => [
          link(`/console/events/${id}`, id, { className: 'id-link' }),
          type ? el('span', { className: 'soft' }, ` ${type}@${version}`) : '',
        ],
      },
      {
        title: 'user',
        className: 'wide',
        cell: ({ user_id: user }) => el('bdi', {}, clip(user ?? '', 200)),
      },
      { title: 'amount', className: 'number', cell: (one) => one.total_amount ?? '' },
      {
        title: 'timestamp',
        className: 'id',
        cell: (one) => time(one.timestamp, isLocal).slice(0, 19),
      },
      {
        title: 'processed',
        className: 'id',
        cell: (one) => time(one.processed_at, isLocal).slice(0, 19),
      },
    ],
  });
  const about = el('div');
  let shown = '';
  page.panel({
    title: 'Order',
    everyMs: 5000,
    events: ['outcome', 'redrive'],
    load: (signal) => get(`/orders/${encodeURIComponent(id)}`, signal),
    show(order, body) {
      table.update(order.events);
      const { events: _, ...facts } = order;
      const text = JSON.stringify(facts);
      if (text !== shown) about.replaceChildren(heldBy(order), factsOf(order));
      shown = text;
      if (body.firstChild === null) body.append(about, el('h3', {}, 'Stored events'), table.node);
      if (order.next !== null) void addMore(page, order, body);
    },
  });
}

/** Longer lists are read on another page of the API. */
function addMore(_page, { order_id: id, event_count: count, next }, body) {
  if (body.querySelector('.more') !== null) return;
  const href = `/orders/${id}/events?after=${next}`;
  const text = `The first of ${many(count, 'event')}. The next ones as JSON`;
  body.append(
    el('p', { className: 'more' }, link(href, text, { target: '_blank', rel: 'noopener' })),
  );
}

function heldBy({ held, order_id: id }) {
  if (held === null) return el('p', { className: 'good' }, '✔ Nothing holds this order.');
  const { by, parked, waiting, since } = held;
  const queue = link(`/console/dead-letters?order_id=${id}&sort=place`, 'Show its dead letters');
  return el(
    'div',
    { className: 'held' },
    el(
      'p',
      { className: 'strong bad' },
      `✖ Held for ${ago(since, serverNow())} by the dead letter at `,
      link(`/console/dead-letters/${by.place}`, by.place),
    ),
    el(
      'p',
      {},
      `${by.reason}${by.sqlstate === null ? '' : ` ${by.sqlstate}`}. ${many(parked, 'event')} parked, ${number(waiting)} waiting behind. Redrive or discard that one first. `,
      queue,
    ),
  );
}

function factsOf(order) {
  const isLocal = isLocalTime();
  const { last_event_id: last } = order;
  return facts([
    ['events stored', number(order.event_count)],
    ['sum of amounts', order.amount_sum],
    ...Object.entries(order.amount_sums ?? {}).map(([currency, sum]) => [
      `sum in ${currency}`,
      sum,
    ]),
    ['last amount', order.total_amount],
    ['user', order.user_id && el('bdi', {}, clip(order.user_id, 300))],
    ['last event', last && link(`/console/events/${last}`, last)],
    ['first timestamp', time(order.first_timestamp, isLocal)],
    ['last timestamp', time(order.last_timestamp, isLocal)],
    ['changed', time(order.updated_at, isLocal)],
    ['discarded', order.discarded === 0 ? null : number(order.discarded)],
  ]);
}
