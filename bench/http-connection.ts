/**
 * A keep-alive HTTP connection that has one request in flight. It is written on a bare socket, so
 * that the load generator uses little CPU of the machine that is measured.
 */
import { connect, type Socket } from 'node:net';

/** Status code and header lines of an answer; the body is not kept. */
export type Answer = { readonly status: string; readonly head: string };

/** One connection. The caller sends a request only after the previous answer. */
export class HttpConnection {
  readonly #port: number;
  readonly #head: string;
  #socket: Socket;
  #answer = '';
  #settle: PromiseWithResolvers<Answer> | undefined;

  constructor(port: number, path: string, contentType: string) {
    this.#head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${contentType}\r\n`;
    this.#port = port;
    this.#socket = this.#connect();
  }

  #connect(): Socket {
    const socket = connect(this.#port, '127.0.0.1').setNoDelay(true);
    socket.on('error', (error) => this.#settle?.reject(error));
    socket.on('close', () => this.#settle?.reject(new Error('The server closed the connection')));
    socket.on('data', (chunk) => this.#read(chunk));
    return socket;
  }

  /** @param body must be ASCII, so that its length is its number of bytes. */
  post(body: string): Promise<Answer> {
    // The server closes a connection that was idle for too long.
    if (this.#socket.destroyed || this.#socket.readableEnded) this.#socket = this.#connect();
    this.#answer = '';
    this.#settle = Promise.withResolvers<Answer>();
    this.#socket.write(`${this.#head}Content-Length: ${body.length}\r\n\r\n${body}`);
    return this.#settle.promise;
  }

  /** The answer is complete when the body has the length in Content-Length. */
  #read(chunk: Buffer): void {
    this.#answer += chunk.toString('latin1');
    const headEnd = this.#answer.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(this.#answer)?.[1] ?? 0);
    if (this.#answer.length < headEnd + 4 + length) return;
    const head = this.#answer.slice(0, headEnd);
    this.#settle?.resolve({ status: head.slice(9, 12), head });
  }

  close(): void {
    this.#settle = undefined;
    this.#socket.destroy();
  }
}
