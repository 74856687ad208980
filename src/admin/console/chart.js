/** Charts as inline SVG, each beside a table for screen readers. */
import { el, svg } from './dom.js';
import { number, time } from './format.js';

const WIDTH = 720;
const HEIGHT = 120;
/** The classes give each series a colour and a pattern. */
const CLASSES = 8;

/** The stacked heights of each step. Pure. @returns for each series, from and to of each step. */
export function stack(series) {
  const steps = series[0]?.points.length ?? 0;
  const sums = new Array(steps).fill(0);
  return series.map(({ points }) =>
    points.map((value, step) => {
      const from = sums[step];
      sums[step] += value;
      return [from, sums[step]];
    }),
  );
}

/** A limit for an axis: 1, 2 or 5 times a power of ten that no value exceeds. Pure. */
export function axisLimit(max) {
  if (max <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(max));
  return [1, 2, 5, 10].map((times) => times * power).find((limit) => limit >= max);
}

/**
 * Bars over time, stacked by series.
 * @param activity an answer of GET /activity.
 * @param classOf the class of a series, such as its outcome.
 */
export function stackedBars(activity, { label, classOf, isLocal }) {
  const { series, steps, from, step_minutes: minutes } = activity;
  const shown = series.slice(0, CLASSES);
  const heights = stack(shown);
  const top = axisLimit(Math.max(1, ...(heights.at(-1) ?? []).map(([, to]) => to)));
  const width = WIDTH / Math.max(1, steps);
  const y = (value) => HEIGHT - (value / top) * HEIGHT;
  const paths = shown.map(({ name }, index) => {
    const bars = heights[index].map(([low, high], step) =>
      high === low
        ? ''
        : `M${(step * width).toFixed(1)} ${y(low).toFixed(1)}V${y(high).toFixed(1)}h${(width * 0.86).toFixed(2)}V${y(low).toFixed(1)}z`,
    );
    return svg('path', { class: `series ${classOf(name, index)}`, d: bars.join('') || 'M0 0' });
  });
  const picture = svg(
    'svg',
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      class: 'chart',
      'aria-hidden': 'true',
    },
    svg('path', {
      class: 'grid',
      d: `M0 .5H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT - 0.5}H${WIDTH}`,
    }),
    ...paths,
  );
  const end = new Date(Date.parse(from) + steps * minutes * 60_000).toISOString();
  const axis = el(
    'div',
    { className: 'axis', 'aria-hidden': 'true' },
    el('span', {}, time(from, isLocal).slice(5, 16)),
    el('span', {}, `top ${number(top)} in ${minutes} min`),
    el('span', {}, time(end, isLocal).slice(5, 16)),
  );
  return el('figure', {}, legend(shown, classOf), picture, axis, asTable(activity, label, isLocal));
}

function legend(series, classOf) {
  const items = series.map(({ name, total }, index) =>
    el(
      'li',
      {},
      el('i', { className: `swatch ${classOf(name, index)}` }),
      ` ${name} `,
      el('b', {}, number(total)),
    ),
  );
  return el('ul', { className: 'legend' }, ...items);
}

/** What the picture shows, for those who do not see it: the steps in which there is something. */
function asTable({ series, from, step_minutes: minutes }, label, isLocal) {
  const head = el(
    'tr',
    {},
    el('th', { scope: 'col' }, 'from'),
    ...series.map(({ name }) => el('th', { scope: 'col' }, name)),
  );
  const steps = (series[0]?.points ?? []).map((_, step) => step);
  const rows = steps
    .filter((step) => series.some(({ points }) => points[step] > 0))
    .slice(-120)
    .map((step) => {
      const at = new Date(Date.parse(from) + step * minutes * 60_000).toISOString();
      const cells = series.map(({ points }) => el('td', {}, number(points[step])));
      return el('tr', {}, el('th', { scope: 'row' }, time(at, isLocal).slice(0, 16)), ...cells);
    });
  const parts = [el('caption', {}, label), el('thead', {}, head), el('tbody', {}, ...rows)];
  // A table cannot be made as narrow as what is hidden must be.
  return el('div', { className: 'hidden' }, el('table', {}, ...parts));
}

/** A small line without axes. @param values numbers, the newest last. */
export function sparkline(values) {
  const top = Math.max(1, ...values);
  const step = 100 / Math.max(1, values.length - 1);
  const points = values.map(
    (value, index) => `${(index * step).toFixed(1)},${(23 - (value / top) * 22).toFixed(1)}`,
  );
  return svg(
    'svg',
    { viewBox: '0 0 100 24', preserveAspectRatio: 'none', class: 'spark', 'aria-hidden': 'true' },
    svg('polyline', { points: points.join(' ') }),
  );
}
