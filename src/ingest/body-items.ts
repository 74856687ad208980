/**
 * Cuts a body into the items of a batch while it arrives: elements of a JSON array, or lines of
 * NDJSON. Only quotes, brackets, commas and line feeds are looked at; what an item says is for
 * parseEvent to read from its bytes, so that a batch is judged exactly like single events. An item
 * that is too long is cut off, never gathered.
 */
export type BodyItem =
  /** @property bytes at most itemBytesMax + 1 of them: one more than allowed says enough. */
  | { readonly kind: 'item'; readonly bytes: Buffer }
  /** The array is broken here; nothing behind it can be told apart. Always the last. */
  | { readonly kind: 'broken'; readonly reason: string };

export type BodyForm = 'array' | 'lines';

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const LINE_FEED = 0x0a;

const isSpace = (byte: number) =>
  byte === 0x20 || byte === LINE_FEED || byte === 0x0d || byte === 0x09;

export class BodyItems {
  readonly #itemBytesMax: number;
  readonly #isArray: boolean;
  #pieces: Buffer[] = [];
  #length = 0;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  /** Of an array: before its bracket, between its brackets, behind them. */
  #place: 'before' | 'inside' | 'behind' = 'before';
  #hasContent = false;
  #afterComma = false;
  #isBroken = false;

  constructor(form: BodyForm, itemBytesMax: number) {
    this.#isArray = form === 'array';
    this.#itemBytesMax = itemBytesMax;
  }

  /** The items that end in this piece of the body. */
  push(chunk: Buffer): BodyItem[] {
    if (this.#isBroken) return [];
    return this.#isArray ? this.#pushArray(chunk) : this.#pushLines(chunk);
  }

  /** The item that ends with the body, if there is one; or what is missing. */
  end(): BodyItem[] {
    if (this.#isBroken) return [];
    if (!this.#isArray) return this.#hasContent ? [this.#take()] : [];
    if (this.#place === 'behind') return [];
    const what = this.#place === 'before' ? 'There is no array' : 'The array does not end';
    return [this.#broken(what)];
  }

  #pushLines(chunk: Buffer): BodyItem[] {
    const items: BodyItem[] = [];
    let from = 0;
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, from)) {
      this.#gather(chunk.subarray(from, at));
      if (this.#hasContent) items.push(this.#take());
      else this.#reset();
      from = at + 1;
    }
    this.#gather(chunk.subarray(from));
    return items;
  }

  #pushArray(chunk: Buffer): BodyItem[] {
    const items: BodyItem[] = [];
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (this.#place !== 'inside') {
        if (isSpace(byte)) continue;
        if (this.#place === 'behind' || byte !== OPEN_ARRAY) {
          const where = this.#place === 'behind' ? 'Something follows the array' : 'Not an array';
          return [...items, this.#broken(where)];
        }
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
        this.#gather(chunk.subarray(from, at));
        from = at + 1;
        const isEmptyArray = byte === CLOSE_ARRAY && !this.#afterComma;
        if (this.#hasContent) items.push(this.#take());
        else if (isEmptyArray) this.#reset();
        else return [...items, this.#broken('An element is missing')];
        this.#afterComma = byte === COMMA;
        if (byte === CLOSE_ARRAY) this.#place = 'behind';
      }
    }
    if (this.#place === 'inside') this.#gather(chunk.subarray(from));
    return items;
  }

  #gather(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#hasContent ||= piece.some((byte) => !isSpace(byte));
    const room = this.#itemBytesMax + 1 - this.#length;
    if (room <= 0) return;
    this.#pieces.push(piece.length > room ? piece.subarray(0, room) : piece);
    this.#length += Math.min(piece.length, room);
  }

  #take(): BodyItem {
    const [first] = this.#pieces;
    const bytes = this.#pieces.length === 1 && first ? first : Buffer.concat(this.#pieces);
    this.#reset();
    return { kind: 'item', bytes };
  }

  #reset(): void {
    this.#pieces = [];
    this.#length = 0;
    this.#hasContent = false;
  }

  #broken(reason: string): BodyItem {
    this.#isBroken = true;
    return { kind: 'broken', reason };
  }
}
