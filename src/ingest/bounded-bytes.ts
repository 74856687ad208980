/** Collects the bytes of one item from the chunks in which they arrive, up to a limit. */

/** White space of JSON (RFC 8259, section 2), which may surround any value. */
export const isJsonSpace = (byte: number) =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

const NOTHING = Buffer.alloc(0);

export class BoundedBytes {
  readonly #bytesMax: number;
  #pieces: Buffer[] = [];
  #length = 0;
  #hasContent = false;

  /** Keeps up to `bytesMax` + 1 bytes; the extra byte shows that the item is too long. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Whether the item has any byte that is not white space. */
  get hasContent(): boolean {
    return this.#hasContent;
  }

  /** Whether the item is longer than the limit. The bytes beyond it are not kept. */
  get isTooLong(): boolean {
    return this.#length > this.#bytesMax;
  }

  add(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#hasContent ||= piece.some((byte) => !isJsonSpace(byte));
    const room = this.#bytesMax + 1 - this.#length;
    if (room <= 0) return;
    this.#pieces.push(piece.length > room ? piece.subarray(0, room) : piece);
    this.#length += Math.min(piece.length, room);
  }

  /** Returns the collected bytes, and starts the next item. */
  take(): Buffer {
    if (this.#length === 0) return NOTHING;
    const [first] = this.#pieces;
    const bytes = this.#pieces.length === 1 && first ? first : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#length = 0;
    this.#hasContent = false;
    return bytes;
  }
}
