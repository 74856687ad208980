/** The bytes of one item, gathered from the pieces in which they arrive, up to a limit. */

/** JSON's white space (RFC 8259, section 2), which may surround any value. */
export const isJsonSpace = (byte: number) =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

const NOTHING = Buffer.alloc(0);

export class BoundedBytes {
  readonly #bytesMax: number;
  #pieces: Buffer[] = [];
  #length = 0;
  #hasContent = false;

  /** One byte more than `bytesMax` is kept: it says that the item is too long. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Anything but JSON's white space. */
  get hasContent(): boolean {
    return this.#hasContent;
  }

  /** What is beyond the limit is not kept. */
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

  /** Hands over what was gathered, and begins anew. */
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
