/** Content-Encoding of requests (RFC 9110, section 8.4): which are accepted, and their decoding. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip, createInflate, createInflateRaw } from 'node:zlib';
import { reasonOf } from '../errors.ts';
import { BodyRefused, tooLarge } from './body-refused.ts';

export type Coding = 'identity' | 'gzip' | 'deflate';

const TRAILING = 'ERR_TRAILING_JUNK_AFTER_STREAM_END';
/** Header of an answer 415 about the coding (RFC 9110, section 15.5.16). */
const ACCEPT_ENCODING = { 'Accept-Encoding': 'gzip, deflate' };

/**
 * The coding of a body; at most one is accepted. Clients do not compress twice, and between two
 * decoders the size would have no limit.
 * @throws BodyRefused with 415
 */
export function codingOf(headers: IncomingHttpHeaders): Coding {
  const { 'content-encoding': header } = headers;
  if (header === undefined) return 'identity';
  const given = header.toLowerCase().split(',');
  const codings = given
    .map((name) => name.trim())
    .filter((name) => !['', 'identity'].includes(name));
  const [first = 'identity', second] = codings;
  // "x-gzip" means gzip (RFC 9110, section 8.4.1.3).
  const coding = first === 'x-gzip' ? 'gzip' : first;
  const isKnown = coding === 'identity' || coding === 'gzip' || coding === 'deflate';
  if (isKnown && second === undefined) return coding;
  const what = codings.join(', ').slice(0, 100);
  const message = `Content-Encoding ${what} is not supported. Send gzip, deflate or none`;
  throw new BodyRefused(415, message, ACCEPT_ENCODING);
}

/** The limit for the compressed size: compression makes some data a little larger. */
export function packedBytesMax(bytesMax: number): number {
  return bytesMax + Math.ceil(bytesMax / 256) + 1024;
}

/** @returns the decoded body as a stream, which fails with errors of zlib or with BodyRefused. */
export async function unpack(
  request: IncomingMessage,
  coding: 'gzip' | 'deflate',
  bytesMax: number,
): Promise<Readable> {
  // Without this option, bytes after the compressed data would be ignored silently.
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
  // Not pipeline(), which would destroy the connection before the refusal is sent on it.
  request.on('error', (error) => unpacker.destroy(error));
  return request.pipe(unpacker);
}

/**
 * "deflate" means the zlib format (RFC 9110, section 8.4.1.2), but some clients send raw DEFLATE
 * data. In zlib format the low four bits of the first byte are 8 (RFC 1950). In raw data these bits
 * would mean a stored block with padding that is not zero, which no encoder writes.
 */
async function hasZlibHeader(request: IncomingMessage): Promise<boolean> {
  for await (const first of request.iterator({ destroyOnReturn: false })) {
    request.unshift(first);
    return (first[0] & 0x0f) === 8;
  }
  return true;
}

/** Turns an error of zlib into BodyRefused with 400. Returns any other error unchanged. */
export function refusalOf(error: Error & { code?: string }): Error {
  const { code = '' } = error;
  if (!code.startsWith('Z_') && code !== TRAILING) return error;
  return new BodyRefused(400, `The body is not what its Content-Encoding says: ${reasonOf(error)}`);
}
