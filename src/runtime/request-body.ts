/**
 * The body of a request: which media types are taken, and its content without its Content-Encoding
 * (RFC 9110, section 8.4), within a limit that is the same for packed and plain bodies. Unpacking
 * stops at the limit, so that a small body which unpacks to a large one costs no memory.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { BodyRefused, tooLarge } from './body-refused.ts';
import { type Coding, codingOf, packedBytesMax, refusalOf, unpack } from './content-coding.ts';
import { continueRequest, isHeld } from './continue.ts';
import { readMediaType } from './media-type.ts';

export type BodyRules<Form> = {
  /** Media types that are taken, and what they mean. */
  readonly forms: readonly (readonly [names: RegExp, form: Form])[];
  /** For whoever sends another one. */
  readonly advice: string;
  /** Of the unpacked body. */
  readonly bytesMax: number;
};

/** More is not waited for: then the connection is closed. */
const DISCARDED_BYTES_MAX = 64 << 20;
/**
 * Judges the headers, then lets a client send that waits for permission (Expect: 100-continue).
 * @throws BodyRefused
 */
export function openBody<Form>(
  request: IncomingMessage,
  rules: BodyRules<Form>,
): { readonly form: Form; readonly content: BodyContent } {
  const { headers } = request;
  const { bytesMax } = rules;
  const form = formOf(headers, rules);
  const coding = codingOf(headers);
  const lengthMax = coding === 'identity' ? bytesMax : packedBytesMax(bytesMax);
  if (Number(headers['content-length'] ?? 0) > lengthMax) throw tooLarge(bytesMax);
  continueRequest(request);
  return { form, content: new BodyContent(request, coding, bytesMax) };
}

/** Unpacked, and to be read once. Fails with BodyRefused, or with what the connection fails with. */
export class BodyContent {
  readonly #request: IncomingMessage;
  readonly #coding: Coding;
  readonly #bytesMax: number;

  constructor(request: IncomingMessage, coding: Coding, bytesMax: number) {
    this.#request = request;
    this.#coding = coding;
    this.#bytesMax = bytesMax;
  }

  /**
   * All of it. By events, and with listeners in place at once where nothing is packed: most requests
   * are one small event, whose body is there already, and waiting for it would cost a third more.
   */
  whole(done: (error: Error | null, bytes?: Buffer) => void): void {
    if (this.#coding === 'identity') this.#gather(this.#request, done);
    else
      this.#source().then(
        (source) => this.#gather(source, done),
        (error) => done(error),
      );
  }

  /** Piece by piece; no more is read than is asked for. */
  async *pieces(): AsyncGenerator<Buffer, void> {
    const source = await this.#source();
    let length = 0;
    try {
      for await (const piece of source.iterator({ destroyOnReturn: false })) {
        length += piece.length;
        if (length > this.#bytesMax) throw tooLarge(this.#bytesMax);
        yield piece;
      }
    } catch (error) {
      throw refusalOf(error as Error);
    } finally {
      this.#leave(source);
    }
  }

  async #source(): Promise<Readable> {
    return this.#coding === 'identity'
      ? this.#request
      : await unpack(this.#request, this.#coding, this.#bytesMax);
  }

  #gather(source: Readable, done: (error: Error | null, bytes?: Buffer) => void): void {
    const pieces: Buffer[] = [];
    let length = 0;
    const take = (piece: Buffer) => {
      length += piece.length;
      if (length <= this.#bytesMax) return void pieces.push(piece);
      settle();
      this.#leave(source);
      done(tooLarge(this.#bytesMax));
    };
    const end = () => {
      settle();
      done(null, Buffer.concat(pieces, length));
    };
    const fail = (error: Error) => {
      settle();
      done(refusalOf(error));
    };
    // At most one of them is told.
    const settle = () => source.off('data', take).off('end', end).off('error', fail);
    source.on('data', take).on('end', end).on('error', fail);
  }

  /** Reads no further. The connection stays open: the answer goes out on it. */
  #leave(source: Readable): void {
    this.#request.unpipe().pause();
    if (source !== this.#request) source.destroy();
  }
}

/**
 * Reads what is left of a body that is not wanted, and drops it: a connection that is closed while
 * its client still sends is reset, and the client never reads why.
 * @returns once the answer may go out: at the end of the body where the connection is closed then.
 */
export async function discardRest(
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // A client that was never told to send does not.
  if (request.readableEnded || isHeld(request)) return;
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let left = DISCARDED_BYTES_MAX;
  request.on('data', (piece: Buffer) => {
    left -= piece.length;
    if (left > 0) return;
    if (response.writableEnded) request.destroy();
    else request.pause();
    resolve();
  });
  request.once('end', resolve).once('close', resolve).resume();
  if (!response.shouldKeepAlive) await ended;
}

function formOf<Form>(headers: IncomingHttpHeaders, { forms, advice }: BodyRules<Form>): Form {
  const type = readMediaType(headers['content-type']);
  if (!type.ok) throw new BodyRefused(415, `${type.reason}. ${advice}`);
  const found = forms.find(([names]) => names.test(type.name));
  if (found !== undefined) return found[1];
  throw new BodyRefused(415, `Content-Type ${type.name.slice(0, 100)} is not supported. ${advice}`);
}
