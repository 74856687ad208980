/**
 * Splits a body into the items of a batch while it arrives: elements of a JSON array, or lines of
 * NDJSON. This examines only quotes, brackets, commas and line feeds. parseEvent then gets the
 * bytes of each item, so an event of a batch is validated exactly like a single event. Of an item
 * that is too long, only the beginning is kept in memory.
 */
import { BodyLines } from './body-lines.ts';
import { BoundedBytes, isJsonSpace } from './bounded-bytes.ts';

export type BodyItem =
  /** @property bytes at most itemBytesMax + 1 bytes; the extra byte shows that it is too long. */
  | { readonly kind: 'item'; readonly bytes: Buffer }
  /** The array is not valid from here on, so no further items can be found. Always the last. */
  | { readonly kind: 'broken'; readonly reason: string };

/** A JSON array, or NDJSON. */
export type BodyForm = 'array' | 'lines';

type Cutter = Pick<BodyItems, 'push' | 'end'>;

export class BodyItems {
  readonly #cutter: Cutter;

  constructor(form: BodyForm, itemBytesMax: number) {
    this.#cutter = form === 'array' ? new ArrayItems(itemBytesMax) : lineItems(itemBytesMax);
  }

  /** The items that end in this chunk of the body. */
  push(chunk: Buffer): BodyItem[] {
    return this.#cutter.push(chunk);
  }

  /** To be called at the end of the body: its last item, or what is missing. */
  end(): BodyItem[] {
    return this.#cutter.end();
  }
}

function lineItems(itemBytesMax: number): Cutter {
  const lines = new BodyLines(itemBytesMax);
  return {
    push: (chunk) => lines.push(chunk).map(({ bytes }) => ({ kind: 'item', bytes })),
    end: () => {
      const line = lines.end();
      return line === null ? [] : [{ kind: 'item', bytes: line.bytes }];
    },
  };
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
/** The first byte of a byte order mark. No JSON text begins with it. */
const MARK = 0xef;

class ArrayItems implements Cutter {
  readonly #item: BoundedBytes;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  /** Whether the reader is before the array, inside it, or after it. */
  #place: 'before' | 'inside' | 'behind' = 'before';
  #afterComma = false;
  #isBroken = false;

  constructor(itemBytesMax: number) {
    this.#item = new BoundedBytes(itemBytesMax);
  }

  push(chunk: Buffer): BodyItem[] {
    if (this.#isBroken) return [];
    const items: BodyItem[] = [];
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (this.#place !== 'inside') {
        if (isJsonSpace(byte)) continue;
        if (this.#place === 'behind')
          return [...items, this.#broken('The body continues after the array')];
        if (byte !== OPEN_ARRAY) return [this.#broken(whyNoArray(byte))];
        this.#place = 'inside';
        from = at + 1;
      } else if (this.#isInString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) this.#isInString = false;
      } else if (byte === QUOTE) this.#isInString = true;
      else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) this.#depth++;
      else if (this.#depth > 0) {
        if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) this.#depth--;
      } else if (byte === COMMA || byte === CLOSE_ARRAY) {
        this.#item.add(chunk.subarray(from, at));
        from = at + 1;
        const isEmptyArray = byte === CLOSE_ARRAY && !this.#afterComma;
        const { hasContent } = this.#item;
        const bytes = this.#item.take();
        if (hasContent) items.push({ kind: 'item', bytes });
        else if (!isEmptyArray) return [...items, this.#broken('The array has an empty element')];
        this.#afterComma = byte === COMMA;
        if (byte === CLOSE_ARRAY) this.#place = 'behind';
      }
    }
    if (this.#place === 'inside') this.#item.add(chunk.subarray(from));
    return items;
  }

  end(): BodyItem[] {
    if (this.#isBroken || this.#place === 'behind') return [];
    const what = this.#place === 'before' ? 'The body is empty' : 'The array is not closed';
    return [this.#broken(what)];
  }

  #broken(reason: string): BodyItem {
    this.#isBroken = true;
    return { kind: 'broken', reason };
  }
}

function whyNoArray(first: number): string {
  return first === MARK ? 'The body starts with a byte order mark' : 'The body is not an array';
}
