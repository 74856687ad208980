/** A TCP proxy on the loopback interface that can delay, cut or drop the traffic. */
import { createServer, type Server, Socket } from 'node:net';
import type { TestContext } from 'node:test';

export type ProxyFault = (direction: 'up' | 'down', chunk: Buffer) => 'pass' | 'cut' | 'swallow';

export class TcpProxy {
  readonly #server: Server;
  /** The server to which new connections are forwarded. */
  target: { host: string; port: number };
  readonly #sockets = new Set<Socket>();
  #fault: ProxyFault = () => 'pass';
  #refusing = false;

  private constructor(target: { host: string; port: number }) {
    this.target = target;
    this.#server = createServer((client) => this.#connect(client));
  }

  /** Starts a proxy that runs until the test ends. */
  static async start(t: TestContext, target: { host: string; port: number }): Promise<TcpProxy> {
    const proxy = await TcpProxy.open(target);
    t.after(() => proxy.stop());
    return proxy;
  }

  /** Starts a proxy that runs until stop(). */
  static async open(target: { host: string; port: number }): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((done) => proxy.#server.listen(0, '127.0.0.1', done));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Called for each chunk from now on; its result decides what happens to the chunk. */
  set fault(fault: ProxyFault) {
    this.#fault = fault;
  }

  /** Cuts every connection and refuses new ones, as if the server were down. */
  refuse(): void {
    this.#refusing = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  heal(): void {
    this.#refusing = false;
    this.#fault = () => 'pass';
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #connect(client: Socket): void {
    if (this.#refusing) return void client.destroy();
    const server = new Socket().connect(this.target);
    const pair = [client, server];
    for (const socket of pair) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        for (const other of pair) other.destroy();
      });
    }
    const relay = (direction: 'up' | 'down', to: Socket) => (chunk: Buffer) => {
      const verdict = this.#fault(direction, chunk);
      if (verdict === 'pass') to.write(chunk);
      if (verdict === 'cut') for (const socket of pair) socket.destroy();
    };
    client.on('data', relay('up', server));
    server.on('data', relay('down', client));
  }
}
