/** A keep-alive connection with one request under way: bare, so that it takes little of the machine. */
import { connect, type Socket } from 'node:net';

export type Answer = { readonly status: string; readonly head: string };

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
    socket.on('close', () => this.#settle?.reject(new Error('Hung up')));
    socket.on('data', (chunk) => this.#read(chunk));
    return socket;
  }

  /** @param body ASCII, so that characters are bytes. */
  post(body: string): Promise<Answer> {
    // A server hangs up on a connection that was idle for long.
    if (this.#socket.destroyed || this.#socket.readableEnded) this.#socket = this.#connect();
    this.#answer = '';
    this.#settle = Promise.withResolvers<Answer>();
    this.#socket.write(`${this.#head}Content-Length: ${body.length}\r\n\r\n${body}`);
    return this.#settle.promise;
  }

  /** Answers have a Content-Length, and one request is under way: the end of the body ends it. */
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
