/**
 * The body of a request: checks its media type, and reads its content without its Content-Encoding
 * (RFC 9110, section 8.4). The limit on its size is the same for compressed and plain bodies.
 * Decompression stops at the limit, so a small body that decompresses to a huge one costs no
 * memory.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { BodyRefused, tooLarge } from './body-refused.ts';
import { type Coding, codingOf, packedBytesMax, refusalOf, unpack } from './content-coding.ts';
import { continueRequest, isHeld } from './continue.ts';
import { readMediaType } from './media-type.ts';

export type BodyRules<Form> = {
  /** Accepted media types, and the form of the body that each stands for. */
  readonly forms: readonly (readonly [names: RegExp, form: Form])[];
  /** Advice in the answer to a client that sends another media type. */
  readonly advice: string;
  /** Limit of the decompressed body. */
  readonly bytesMax: number;
};

/** The most bytes that are read only to drop them. If more come, the connection is closed. */
const DISCARDED_BYTES_MAX = 64 << 20;

/**
 * Checks the headers. If they are acceptable, gives a client that waits for it (Expect:
 * 100-continue) permission to send its body.
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

/**
 * The decompressed body, which can be read once. Reading fails with BodyRefused, or with the error
 * of the connection.
 */
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
   * Reads the whole body. This uses a callback and events, not a promise, and adds its listeners
   * without delay if the body is not compressed: most requests are one small event whose body has
   * already arrived, and a promise would make them cost a third more.
   */
  whole(done: (error: Error | null, bytes?: Buffer) => void): void {
    if (this.#coding === 'identity') this.#gather(this.#request, done);
    else
      this.#source().then(
        (source) => this.#gather(source, done),
        (error) => done(error),
      );
  }

  /** Reads the body in chunks, and no more than the caller asks for. */
  async *chunks(): AsyncGenerator<Buffer, void> {
    const source = await this.#source();
    let length = 0;
    try {
      for await (const chunk of source.iterator({ destroyOnReturn: false })) {
        length += chunk.length;
        if (length > this.#bytesMax) throw tooLarge(this.#bytesMax);
        yield chunk;
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
    const chunks: Buffer[] = [];
    let length = 0;
    const take = (chunk: Buffer) => {
      length += chunk.length;
      if (length <= this.#bytesMax) return void chunks.push(chunk);
      settle();
      this.#leave(source);
      done(tooLarge(this.#bytesMax));
    };
    const end = () => {
      settle();
      done(null, Buffer.concat(chunks, length));
    };
    const fail = (error: Error) => {
      settle();
      done(refusalOf(error));
    };
    // Only one of the three may call done().
    const settle = () => source.off('data', take).off('end', end).off('error', fail);
    source.on('data', take).on('end', end).on('error', fail);
  }

  /** Stops reading. The connection stays open, because the answer is sent on it. */
  #leave(source: Readable): void {
    this.#request.unpipe().pause();
    if (source !== this.#request) source.destroy();
  }
}

/**
 * Reads the rest of a refused body and drops it. If the connection were closed while the client is
 * still sending, it would be reset and the client would never read the answer.
 * @returns when the answer may be sent. If the connection is closed after the answer, that is at
 * the end of the body.
 */
export async function discardRest(
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // A client that still waits for permission sends no body.
  if (request.readableEnded || isHeld(request)) return;
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let left = DISCARDED_BYTES_MAX;
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
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
