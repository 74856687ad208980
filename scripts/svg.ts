/**
 * Drawings of boxes, texts and arrows as data, written as SVG in a light and a dark theme. As data
 * they can be checked: `problemsOf` finds what a reader could not read.
 */

type Point = readonly [x: number, y: number];

export type Box = {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** `frame` holds other boxes. */
  readonly look: 'plain' | 'strong' | 'frame';
};

export type Text = {
  /** Where the text begins, or its middle. */
  readonly x: number;
  /** The base line. */
  readonly y: number;
  readonly text: string;
  readonly anchor?: 'start' | 'middle';
  readonly look?: 'plain' | 'title' | 'small' | 'code';
};

/** It leaves and arrives in one direction, with a bend in between. */
export type Arrow = {
  readonly from: Point;
  readonly to: Point;
  readonly runs: 'down' | 'across';
};

export type Drawing = {
  readonly title: string;
  readonly height: number;
  readonly boxes: readonly Box[];
  readonly texts: readonly Text[];
  readonly arrows: readonly Arrow[];
};

/** As wide as a README's column on a small screen. */
export const WIDTH = 700;

const THEMES = {
  light: {
    paper: '#ffffff',
    ink: '#1f2328',
    soft: '#59636e',
    line: '#818b98',
    plain: '#f6f8fa',
    strong: '#ddf4ff',
    edge: '#d1d9e0',
    strongEdge: '#54aeff',
  },
  dark: {
    paper: '#0d1117',
    ink: '#f0f6fc',
    soft: '#9198a1',
    line: '#7d8590',
    plain: '#151b23',
    strong: '#0c2d6b',
    edge: '#3d444d',
    strongEdge: '#388bfd',
  },
};
export type Theme = keyof typeof THEMES;
export const THEME_NAMES = Object.keys(THEMES) as Theme[];

const SIZES = { title: 14, plain: 12.5, small: 12, code: 11.5 };
/** In em, on the average of the widest fonts that system-ui stands for: what fits then, fits always. */
const CAPITAL = 0.72;
const OTHER = 0.58;
/** So far a text stays away from the edges of its box. */
const PADDING = 3;

export function svgOf(drawing: Drawing, name: Theme): string {
  const theme = THEMES[name];
  const { title, height } = drawing;
  const fill = { plain: theme.plain, strong: theme.strong, frame: 'none' };
  const boxes = drawing.boxes.map(
    ({ x, y, width, height, look }) =>
      `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="6" fill="${fill[look]}" ` +
      `stroke="${look === 'strong' ? theme.strongEdge : theme.edge}"/>`,
  );
  const arrows = drawing.arrows.map((arrow) => {
    const [start, one, two, end] = curveOf(arrow);
    return `<path d="M${start} C${one} ${two} ${end}" fill="none" stroke="${theme.line}" marker-end="url(#tip)"/>`;
  });
  const texts = drawing.texts.map(({ x, y, text, anchor = 'start', look = 'plain' }) => {
    const isSoft = look === 'small' || look === 'code';
    const weight = look === 'title' ? ' font-weight="600"' : '';
    return (
      `<text x="${x}" y="${y}" font-size="${SIZES[look]}" text-anchor="${anchor}" ` +
      `fill="${isSoft ? theme.soft : theme.ink}"${weight}>${escaped(text)}</text>`
    );
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" font-family="system-ui, sans-serif">
<title>${escaped(title)}</title>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0.5 L8 4 L0 7.5 z" fill="${theme.line}"/></marker></defs>
<rect width="${WIDTH}" height="${height}" fill="${theme.paper}"/>
${[...boxes, ...arrows, ...texts].join('\n')}
</svg>
`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Of a cubic Bézier curve. */
function curveOf({ from, to, runs }: Arrow): [Point, Point, Point, Point] {
  const [dx, dy] = [(to[0] - from[0]) / 2, (to[1] - from[1]) / 2];
  const [x, y] = runs === 'down' ? [0, dy] : [dx, 0];
  return [from, [from[0] + x, from[1] + y], [to[0] - x, to[1] - y], to];
}

type Area = Pick<Box, 'x' | 'y' | 'width' | 'height'>;

function areaOf({ x, y, text, anchor = 'start', look = 'plain' }: Text): Area {
  const size = SIZES[look];
  const capitals = text.match(/[A-Z_]/g)?.length ?? 0;
  const width = size * (capitals * CAPITAL + (text.length - capitals) * OTHER);
  return { x: anchor === 'middle' ? x - width / 2 : x, y: y - size * 0.8, width, height: size };
}

/** Texts that leave their box or the drawing, or meet another text or an arrow; arrows through boxes. */
export function problemsOf({ height, boxes, texts, arrows }: Drawing): string[] {
  const page = { x: 0, y: 0, width: WIDTH, height };
  const solid = boxes.filter(({ look }) => look !== 'frame');
  const ofTexts = texts.flatMap((text, index) => {
    const area = areaOf(text);
    const around = [page, ...boxes.filter((box) => meet(box, area))];
    const others = texts.slice(0, index).filter((other) => meet(areaOf(other), area));
    return [
      ...around.filter((box) => !holds(box, area)).map(() => `"${text.text}" leaves its box`),
      ...others.map((other) => `"${text.text}" lies on "${other.text}"`),
    ];
  });
  const ofArrows = arrows.flatMap((arrow) => {
    const points = pointsOn(arrow);
    const met = texts.filter((text) => points.some((point) => meet(areaOf(text), dot(point))));
    const crossed = solid.filter((box) => points.slice(2, -2).some((p) => meet(box, dot(p))));
    return [
      ...met.map(({ text }) => `An arrow lies on "${text}"`),
      ...crossed.map(
        ({ x, y }) => `The arrow from ${arrow.from} goes through the box at ${x},${y}`,
      ),
    ];
  });
  return [...ofTexts, ...ofArrows];
}

const dot = ([x, y]: Point): Area => ({ x, y, width: 0, height: 0 });

function pointsOn(arrow: Arrow): Point[] {
  const [a, b, c, d] = curveOf(arrow);
  return Array.from({ length: 101 }, (_, index): Point => {
    const [t, u] = [index / 100, 1 - index / 100];
    const at = (axis: 0 | 1) =>
      u ** 3 * a[axis] + 3 * u * u * t * b[axis] + 3 * u * t * t * c[axis] + t ** 3 * d[axis];
    return [at(0), at(1)];
  });
}

function meet(a: Area, b: Area): boolean {
  const isApart = a.x + a.width < b.x || b.x + b.width < a.x;
  return !isApart && a.y + a.height >= b.y && b.y + b.height >= a.y;
}

function holds(outer: Area, inner: Area): boolean {
  const right = outer.x + outer.width - PADDING;
  const fitsAcross = outer.x + PADDING <= inner.x && inner.x + inner.width <= right;
  return fitsAcross && outer.y <= inner.y && inner.y + inner.height <= outer.y + outer.height;
}
