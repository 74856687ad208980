/**
 * Splits NDJSON into lines while it arrives. Both the batch endpoint and `orderonce send` use it,
 * so that they agree on the lines of any input. Only a line feed ends a line; other line ends of
 * Unicode do not, because JSON allows them inside strings (U+2028).
 */
import { BoundedBytes } from './bounded-bytes.ts';

export type BodyLine = {
  /**
   * At most bytesMax + 1 bytes, without the line feed. The extra byte shows that it is too long.
   */
  readonly bytes: Buffer;
  /** Counted from 1, empty lines included. */
  readonly number: number;
  /** Offset of its first byte in the input. */
  readonly start: number;
  /** Offset at which the next line begins. */
  readonly end: number;
};

const LINE_FEED = 0x0a;

export class BodyLines {
  readonly #line: BoundedBytes;
  #number: number;
  #start: number;
  #read: number;

  /** @param from number of bytes and lines before the place where reading begins. */
  constructor(bytesMax: number, from = { bytes: 0, lines: 0 }) {
    this.#line = new BoundedBytes(bytesMax);
    this.#number = from.lines + 1;
    this.#start = from.bytes;
    this.#read = from.bytes;
  }

  /** The lines that end in this chunk. Lines that contain only white space are left out. */
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

  /** To be called at the end of the input: the last line, if it has no line feed. */
  end(): BodyLine | null {
    return this.#take(this.#read);
  }

  #take(end: number): BodyLine | null {
    // The rest of a line that is too long was dropped, so the line must not count as empty.
    const isLine = this.#line.hasContent || this.#line.isTooLong;
    const [number, start] = [this.#number++, this.#start];
    this.#start = end;
    const bytes = this.#line.take();
    return isLine ? { bytes, number, start, end } : null;
  }
}
