/**
 * Cuts NDJSON into lines while it arrives: for the body of a batch, and for the file of
 * `orderonce send`, so that both agree about any bytes. Only a line feed ends a line, whatever else
 * Unicode counts as a line end: JSON allows U+2028 and its like inside strings.
 */
import { BoundedBytes } from './bounded-bytes.ts';

export type BodyLine = {
  /** Without the line feed, at most bytesMax + 1 of them: one more than allowed says enough. */
  readonly bytes: Buffer;
  /** Counted from 1, empty lines included. */
  readonly number: number;
  /** Where it begins, in bytes. */
  readonly start: number;
  /** Where the next line begins. */
  readonly end: number;
};

const LINE_FEED = 0x0a;

export class BodyLines {
  readonly #line: BoundedBytes;
  #number: number;
  #start: number;
  #read: number;

  /** @param from where reading begins, if not at the start: bytes and lines that lie before. */
  constructor(bytesMax: number, from = { bytes: 0, lines: 0 }) {
    this.#line = new BoundedBytes(bytesMax);
    this.#number = from.lines + 1;
    this.#start = from.bytes;
    this.#read = from.bytes;
  }

  /** The lines that end in this piece. Lines of white space alone are left out. */
  push(chunk: Buffer): BodyLine[] {
    const lines: BodyLine[] = [];
    let from = 0;
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, from)) {
      this.#line.add(chunk.subarray(from, at));
      from = at + 1;
      const line = this.#take(this.#read + from);
      if (line !== null) lines.push(line);
    }
    this.#line.add(chunk.subarray(from));
    this.#read += chunk.length;
    return lines;
  }

  /** The line that ends without a line feed, if there is one. */
  end(): BodyLine | null {
    return this.#take(this.#read);
  }

  #take(end: number): BodyLine | null {
    // Of a line that is too long nobody knows the rest: it is never taken for an empty one.
    const isLine = this.#line.hasContent || this.#line.isTooLong;
    const [number, start] = [this.#number++, this.#start];
    this.#start = end;
    const bytes = this.#line.take();
    return isLine ? { bytes, number, start, end } : null;
  }
}
