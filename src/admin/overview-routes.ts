/** `GET /overview` and `GET /activity`. */
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import { BY_MINUTE_MINUTES, readActivity } from '../store/activity.ts';
import type { Queryable } from '../store/queryable.ts';
import type { OverviewFeed } from './overview-feed.ts';
import { GET_ACTIVITY, GET_OVERVIEW, OF_ACTIVITY } from './overview-operations.ts';
import { readQuery } from './query-string.ts';

const MINUTES = 60;
const POINTS_MAX = 360;
/** Where activity is kept by the minute, and where only by the hour. */
const FINE_STEPS = [1, 2, 5, 10];
const COARSE_STEPS = [60, 120];

/** Adds the routes. */
export function addOverviewRoutes(app: HttpServer, db: Queryable, feed: OverviewFeed): void {
  app.get('/overview', { config: { operation: GET_OVERVIEW } }, async () => await feed.read());
  app.get('/activity', { config: { operation: GET_ACTIVITY } }, async (request, reply) => {
    const query = readQuery(request.url, OF_ACTIVITY);
    if (!query.ok) return sendDetail(reply, 422, query.errors);
    const { minutes = MINUTES, by = 'outcome', outcome, source } = query.values;
    const scale = scaleOf(minutes);
    const { from, asOf, rows } = await readActivity(db, { ...scale, by, outcome, source });
    const { steps, stepMinutes } = scale;
    return reply.send({
      from,
      step_minutes: stepMinutes,
      steps,
      as_of: asOf,
      series: seriesOf(rows, steps),
    });
  });
}

/** The steps that cover a span, 360 at most. Pure. */
export function scaleOf(minutes: number): { steps: number; stepMinutes: number } {
  const choices = minutes <= BY_MINUTE_MINUTES ? FINE_STEPS : COARSE_STEPS;
  const fits = choices.find((step) => Math.ceil(minutes / step) <= POINTS_MAX);
  const stepMinutes = fits ?? (choices.at(-1) as number);
  return { steps: Math.ceil(minutes / stepMinutes), stepMinutes };
}

type Row = { readonly step: number; readonly name: string; readonly n: number };

/** One series for each name, with a point for each step; the one with the largest total first. */
export function seriesOf(rows: readonly Row[], steps: number) {
  const byName = new Map<string, number[]>();
  for (const { step, name, n } of rows) {
    const points = byName.get(name) ?? new Array<number>(steps).fill(0);
    byName.set(name, points);
    points[step] = n;
  }
  return [...byName]
    .map(([name, points]) => ({ name, total: points.reduce((sum, n) => sum + n, 0), points }))
    .sort((a, b) => b.total - a.total || a.name.localeCompare(b.name));
}
