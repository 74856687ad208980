/**
 * The body of a request: which media types are taken, and its content without its Content-Encoding
 * (RFC 9110, section 8.4), within a limit that is the same for packed and plain bodies. Unpacking
 * stops at the limit, so that a small body which unpacks to a large one costs no memory.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip, createInflate, createInflateRaw } from 'node:zlib';
import { reasonOf } from '../errors.ts';
import { continueRequest } from './continue.ts';
import { readMediaType } from './media-type.ts';

/** A body that is not taken. `statusCode` and `headers` are those of the answer. */
export class BodyRefused extends Error {
  readonly statusCode: 400 | 413 | 415;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    statusCode: BodyRefused['statusCode'],
    message: string,
    headers: BodyRefused['headers'] = {},
  ) {
    super(message);
    this.statusCode = statusCode;
    this.headers = headers;
  }
}

export type BodyRules<Form> = {
  /** Media types that are taken, and what they mean. */
  readonly forms: readonly (readonly [names: RegExp, form: Form])[];
  /** For whoever sends another one. */
  readonly advice: string;
  /** Of the unpacked body. */
  readonly bytesMax: number;
};

type Coding = 'identity' | 'gzip' | 'deflate';

/** More is not waited for: then the connection is closed. */
const DISCARDED_BYTES_MAX = 64 << 20;
const TRAILING = 'ERR_TRAILING_JUNK_AFTER_STREAM_END';
/** Part of a 415 that is about the coding (RFC 9110, section 15.5.16). */
const ACCEPT_ENCODING = { 'Accept-Encoding': 'gzip, deflate' };

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
 */
export function discardRest(request: IncomingMessage): void {
  if (request.readableEnded) return;
  let left = DISCARDED_BYTES_MAX;
  request.on('data', (piece: Buffer) => {
    left -= piece.length;
    if (left < 0) request.destroy();
  });
  request.resume();
}

/** What a content that cannot be unpacked is answered; any other error as it is. */
function refusalOf(error: Error & { code?: string }): Error {
  const { code = '' } = error;
  if (!code.startsWith('Z_') && code !== TRAILING) return error;
  return new BodyRefused(400, `The body is not what its Content-Encoding says: ${reasonOf(error)}`);
}

function tooLarge(bytesMax: number): BodyRefused {
  return new BodyRefused(413, `Request body is over ${bytesMax} bytes`);
}

function formOf<Form>(headers: IncomingHttpHeaders, { forms, advice }: BodyRules<Form>): Form {
  const type = readMediaType(headers['content-type']);
  if (!type.ok) throw new BodyRefused(415, `${type.reason}. ${advice}`);
  const found = forms.find(([names]) => names.test(type.name));
  if (found !== undefined) return found[1];
  throw new BodyRefused(415, `Content-Type ${type.name.slice(0, 100)} is not supported. ${advice}`);
}

/** One at most: nobody packs twice, and twice would unpack without bound in between. */
function codingOf(headers: IncomingHttpHeaders): Coding {
  const { 'content-encoding': header } = headers;
  if (header === undefined) return 'identity';
  const given = header.toLowerCase().split(',');
  const codings = given
    .map((name) => name.trim())
    .filter((name) => !['', 'identity'].includes(name));
  const [first = 'identity', second] = codings;
  // "x-gzip" is gzip (RFC 9110, section 8.4.1.3).
  const coding = first === 'x-gzip' ? 'gzip' : first;
  const isKnown = coding === 'identity' || coding === 'gzip' || coding === 'deflate';
  if (isKnown && second === undefined) return coding;
  const what = codings.join(', ').slice(0, 100);
  const message = `Content-Encoding ${what} is not supported. Send gzip, deflate or none`;
  throw new BodyRefused(415, message, ACCEPT_ENCODING);
}

/** Packing adds a little to what cannot be packed. */
function packedBytesMax(bytesMax: number): number {
  return bytesMax + Math.ceil(bytesMax / 256) + 1024;
}

async function unpack(
  request: IncomingMessage,
  coding: 'gzip' | 'deflate',
  bytesMax: number,
): Promise<Readable> {
  // Without it, what follows the packed data would be dropped silently.
  const options = { rejectGarbageAfterEnd: true };
  const unpacker =
    coding === 'gzip'
      ? createGunzip(options)
      : (await hasZlibHeader(request))
        ? createInflate(options)
        : createInflateRaw(options);
  const packedMax = packedBytesMax(bytesMax);
  let packed = 0;
  request.on('data', (chunk: Buffer) => {
    packed += chunk.length;
    if (packed > packedMax) unpacker.destroy(tooLarge(bytesMax));
  });
  // Not pipeline(): it would destroy the connection, which the refusal is to be answered on.
  request.on('error', (error) => unpacker.destroy(error));
  return request.pipe(unpacker);
}

/**
 * "deflate" is the zlib format (RFC 9110, section 8.4.1.2), but some clients send the bare DEFLATE
 * data. Of zlib, the low half of the first byte is 8 (RFC 1950); of bare data it would be a stored
 * block with padding that is not zero, which nothing writes.
 */
async function hasZlibHeader(request: IncomingMessage): Promise<boolean> {
  for await (const first of request.iterator({ destroyOnReturn: false })) {
    request.unshift(first);
    return (first[0] & 0x0f) === 8;
  }
  return true;
}
