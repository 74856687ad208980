/** Draws charts as SVG without a library: bars for rates, lines for series over time. */
import type { Series } from './memory.ts';

const WIDTH = 760;
const ROW = 26;
const LABEL = 230;
const PLOT_HEIGHT = 260;
const COLOURS = ['#2a6f97', '#c8553d', '#588b8b', '#8d6a9f'];
const number = (value: number) => Math.round(value).toLocaleString('en');

/** One bar: the median of some runs, and their range. */
export type Bar = {
  readonly label: string;
  readonly median: number;
  readonly low: number;
  readonly high: number;
};

/** @returns an SVG of horizontal bars. A line over each bar shows its range. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const most = Math.max(...bars.map(({ high }) => high));
  const x = (value: number) => LABEL + (value / most) * (WIDTH - LABEL - 90);
  const rows = bars.map(({ label, median, low, high }, i) => {
    const y = 44 + i * ROW;
    return `<text x="${LABEL - 8}" y="${y + 12}" text-anchor="end">${label}</text>
<rect x="${LABEL}" y="${y}" width="${x(median) - LABEL}" height="16" fill="${COLOURS[0]}"/>
<path d="M${x(low)} ${y + 8}H${x(high)}" stroke="#222" stroke-width="1.5"/>
<text x="${x(high) + 6}" y="${y + 12}">${number(median)}</text>`;
  });
  return svg(44 + bars.length * ROW + 10, title, rows.join('\n'));
}

/** @returns an SVG with one line per series; x is seconds, y is in `unit`. */
export function lineChart(title: string, unit: string, series: readonly Series[]): string {
  const points = series.flatMap((one) => one.points);
  const [xMost, yMost] = [0, 1].map((i) => Math.max(...points.map((point) => point[i] ?? 0)));
  const x = (value: number) => 60 + (value / (xMost as number)) * (WIDTH - 200);
  const y = (value: number) => PLOT_HEIGHT - (value / (yMost as number)) * (PLOT_HEIGHT - 50);
  const lines = series.map(({ name, points }, i) => {
    const colour = COLOURS[i % COLOURS.length];
    const path = points.map(([at, value]) => `${x(at).toFixed(1)} ${y(value).toFixed(1)}`);
    const last = points.at(-1) ?? [0, 0];
    return `<path d="M${path.join('L')}" fill="none" stroke="${colour}" stroke-width="1.5"/>
<text x="${x(last[0]) + 6}" y="${y(last[1]) + 4}" fill="${colour}">${name} ${number(last[1])} ${unit}</text>`;
  });
  const axes = `<path d="M60 40V${PLOT_HEIGHT}H${WIDTH - 140}" fill="none" stroke="#222"/>
<text x="54" y="${y(yMost as number) + 4}" text-anchor="end">${number(yMost as number)}</text>
<text x="54" y="${PLOT_HEIGHT}" text-anchor="end">0</text>
<text x="${WIDTH - 140}" y="${PLOT_HEIGHT + 18}" text-anchor="end">${number(xMost as number)} s</text>`;
  return svg(PLOT_HEIGHT + 30, title, `${axes}\n${lines.join('\n')}`);
}

function svg(height: number, title: string, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
<text x="12" y="24" font-size="15">${title}</text>
${content}
</svg>
`;
}
