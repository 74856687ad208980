/** The folders of src/ and the imports between them, as a drawing. */
import type { Facts } from './sources.ts';
import { FOLDERS, folderOf } from './structure.ts';
import { type Arrow, type Box, type Drawing, type Text, WIDTH } from './svg.ts';

type Place = { readonly column: number; readonly row: number };

/** Folders that any other may import: drawn in a frame of their own, and arrows to them left out. */
const SHARED: Record<string, Place> = {
  store: { column: 0, row: 1 },
  tracing: { column: 1.25, row: 1 },
  log: { column: 2.5, row: 1 },
  runtime: { column: 2.5, row: 2 },
  event: { column: 3.75, row: 0 },
  settings: { column: 3.75, row: 2 },
  errors: { column: 5, row: 1 },
};
const OTHERS: Record<string, Place> = {
  cli: { column: 1, row: 0 },
  commands: { column: 2.5, row: 0 },
  doctor: { column: 4, row: 0 },
  testing: { column: 5, row: 0 },
  client: { column: 5, row: 4 },
  embedded: { column: 0.5, row: 1 },
  services: { column: 1.5, row: 1 },
  admin: { column: 0, row: 2 },
  ingest: { column: 1, row: 2 },
  'log-kafka': { column: 2, row: 2 },
  'log-embedded': { column: 4.25, row: 1 },
  consume: { column: 4, row: 2 },
  outbox: { column: 3, row: 2 },
  access: { column: 0.5, row: 3 },
  'dead-letters': { column: 4.75, row: 3 },
  positions: { column: 3, row: 3 },
  verify: { column: 3, row: 4 },
  inbox: { column: 4, row: 4 },
  handlers: { column: 4, row: 5 },
};
/** The way of an event, by number. */
const STEPS: Record<string, number> = {
  ingest: 1,
  'log-kafka': 2,
  'log-embedded': 2,
  consume: 3,
  inbox: 4,
  store: 5,
};

const LEGEND = [
  'An arrow points to the folder that is imported. Imports that other arrows imply have none.',
  'The numbers show the path of an event.',
];

const LEFT = 10;
const COLUMN = 114.2;
const BOX = { width: 109, height: 32 };
const ROW = 60;
const TOP = 16;
const FRAME_TOP = TOP + 6 * ROW;
const SHARED_ROW = 46;

/** Folder → the folders that it imports, itself left out. */
export function importsBetweenFolders(facts: Facts): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>(FOLDERS.map((folder) => [folder, new Set()]));
  for (const [path, { imports }] of facts) {
    const folder = folderOf(path);
    for (const { to } of imports) if (folderOf(to) !== folder) found.get(folder)?.add(folderOf(to));
  }
  return found;
}

/** Leaves out each import of what is imported by way of others too: there are too many to be seen. */
export function withoutDetours(
  imports: ReadonlyMap<string, ReadonlySet<string>>,
): [from: string, to: string][] {
  const reaches = (from: string, to: string): boolean =>
    [...(imports.get(from) ?? [])].some((next) => next === to || reaches(next, to));
  return [...imports].flatMap(([from, targets]) =>
    [...targets]
      .filter((to) => ![...targets].some((other) => other !== to && reaches(other, to)))
      .map((to): [string, string] => [from, to]),
  );
}

/** @throws where a folder has no place in the drawing yet. */
export function folderDrawing(facts: Facts): Drawing {
  const all = importsBetweenFolders(facts);
  const boxes = new Map([...all.keys()].map((folder) => [folder, boxOf(folder)]));
  const arrows = withoutDetours(all)
    .filter(([from, to]) => !(to in SHARED) || from in SHARED)
    .map(([from, to]) => arrowBetween(boxes.get(from) as Box, boxes.get(to) as Box));
  const frame: Box = {
    x: LEFT - 8,
    y: FRAME_TOP,
    width: WIDTH - 2 * (LEFT - 8),
    height: 3 * SHARED_ROW + 24,
    look: 'frame',
  };
  return {
    title: 'The folders of src/ and what they import',
    height: FRAME_TOP + frame.height + 50,
    boxes: [frame, ...boxes.values()],
    texts: [
      ...[...boxes].map(([folder, box]) => labelOf(folder, box)),
      { x: LEFT, y: FRAME_TOP + 20, text: 'Any folder above may import these:', look: 'small' },
      ...LEGEND.map(
        (text, index): Text => ({
          x: LEFT,
          y: FRAME_TOP + frame.height + 22 + 17 * index,
          text,
          look: 'small',
        }),
      ),
    ],
    arrows,
  };
}

function boxOf(folder: string): Box {
  const look = folder in STEPS ? 'strong' : 'plain';
  const shared = SHARED[folder];
  if (shared !== undefined) {
    const y = FRAME_TOP + 30 + shared.row * SHARED_ROW;
    return { x: LEFT + shared.column * COLUMN, y, ...BOX, look };
  }
  const place = OTHERS[folder];
  if (place === undefined) throw new Error(`Give ${folder} a place in scripts/folder-diagram.ts`);
  return { x: LEFT + place.column * COLUMN, y: TOP + place.row * ROW, ...BOX, look };
}

function labelOf(folder: string, { x, y, width }: Box): Text {
  const step = STEPS[folder];
  const text = step === undefined ? folder : `${step} ${folder}`;
  return { x: x + width / 2, y: y + 21, text, anchor: 'middle' };
}

/** From the lower edge down to a later row; from the side where both lie in one row or in the frame. */
function arrowBetween(from: Box, to: Box): Arrow {
  if (from.y < to.y && from.y < FRAME_TOP) {
    return {
      from: [from.x + from.width / 2, from.y + from.height],
      to: [to.x + to.width / 2, to.y],
      runs: 'down',
    };
  }
  return {
    from: [from.x + from.width, from.y + from.height / 2],
    to: [to.x, to.y + to.height / 2],
    runs: 'across',
  };
}
