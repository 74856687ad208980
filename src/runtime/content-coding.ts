/** Content-Encoding of requests (RFC 9110, section 8.4): which are taken, and how they are unpacked. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip, createInflate, createInflateRaw } from 'node:zlib';
import { reasonOf } from '../errors.ts';
import { BodyRefused, tooLarge } from './body-refused.ts';

export type Coding = 'identity' | 'gzip' | 'deflate';

const TRAILING = 'ERR_TRAILING_JUNK_AFTER_STREAM_END';
/** Part of a 415 that is about the coding (RFC 9110, section 15.5.16). */
const ACCEPT_ENCODING = { 'Accept-Encoding': 'gzip, deflate' };

/**
 * One at most: nobody packs twice, and twice would unpack without bound in between.
 * @throws BodyRefused
 */
export function codingOf(headers: IncomingHttpHeaders): Coding {
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
export function packedBytesMax(bytesMax: number): number {
  return bytesMax + Math.ceil(bytesMax / 256) + 1024;
}

/** @returns what the body unpacks to. It fails with errors of zlib, or with BodyRefused. */
export async function unpack(
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

/** What a content that cannot be unpacked is answered; any other error as it is. */
export function refusalOf(error: Error & { code?: string }): Error {
  const { code = '' } = error;
  if (!code.startsWith('Z_') && code !== TRAILING) return error;
  return new BodyRefused(400, `The body is not what its Content-Encoding says: ${reasonOf(error)}`);
}
