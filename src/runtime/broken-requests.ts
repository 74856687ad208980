/**
 * Answers input that never became a request: invalid syntax, headers that are too large, clients
 * that are too slow, unknown expectations, CONNECT. The parser reports these immediately, while
 * answers to earlier requests of the connection may still be pending. Those are sent first:
 * otherwise a client would read "400" as the answer to an event that was accepted.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

export const JSON_TYPE = 'application/json; charset=utf-8';

type Exchange = { readonly request: IncomingMessage; readonly response: ServerResponse };

type Refusal = readonly [status: string, detail: string, header?: string];

const REFUSALS: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'Request headers are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request came too slowly'],
  // The target of CONNECT is another host, for which this service supports no method. Every 405
  // needs the header, which may be empty (RFC 9110, sections 10.2.1 and 15.5.6).
  CONNECT: ['405 Method Not Allowed', 'Method Not Allowed', 'Allow:\r\n'],
};
const NOT_HTTP: Refusal = ['400 Bad Request', 'The request is not valid HTTP'];

export class BrokenRequests {
  /** By connection, the requests whose answer has not been sent completely. */
  readonly #pending = new WeakMap<Duplex, Set<Exchange>>();

  /** The clientErrorHandler for the server. */
  readonly onClientError = (error: Error & { code?: string }, socket: Duplex): void => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
    else void this.#refuse(error.code ?? '', socket);
  };

  /** Listens to the events of a server; to be called once per server. */
  watch(server: Server): void {
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const exchange = { request, response };
      const exchanges = this.#pending.get(request.socket) ?? new Set();
      this.#pending.set(request.socket, exchanges.add(exchange));
      response.once('close', () => exchanges.delete(exchange));
    });
    server.on('connect', (_request, socket: Duplex) => {
      // Node has removed its own listener. A client that resets the connection would otherwise end
      // the process.
      socket.on('error', () => socket.destroy());
      void this.#refuse('CONNECT', socket);
    });
    server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
      const body = JSON.stringify({ detail: 'Only "Expect: 100-continue" is supported' });
      const headers = { 'Content-Type': JSON_TYPE, 'Content-Length': body.length };
      response.writeHead(417, { ...headers, Connection: 'close' }).end(body);
    });
  }

  async #refuse(code: string, socket: Duplex): Promise<void> {
    const exchanges = [...(this.#pending.get(socket) ?? [])];
    // A request whose body is incomplete gets no other answer: the refusal is its answer.
    const owed = exchanges.filter(({ request }) => request.complete);
    await Promise.all(owed.map(({ response }) => closed(response)));
    if (socket.writable) socket.end(textOf(REFUSALS[code] ?? NOT_HTTP));
    else socket.destroy();
  }
}

function closed(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => response.once('close', resolve));
}

function textOf([status, detail, header = '']: Refusal): string {
  const body = JSON.stringify({ detail });
  return (
    `HTTP/1.1 ${status}\r\n${header}Content-Type: ${JSON_TYPE}\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  );
}
