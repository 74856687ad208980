/**
 * `Expect: 100-continue` (RFC 9110, section 10.1.1): the client sends its body when it is told to,
 * so that a request which is refused for its headers costs no upload, and the refusal is read.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';

const waiting = new WeakMap<IncomingMessage, ServerResponse>();

export function holdExpectations(server: Server): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    waiting.set(request, response);
    server.emit('request', request, response);
  });
}

/** Whoever reads a body calls this first. Nothing happens where the client does not wait. */
export function continueRequest(request: IncomingMessage): void {
  waiting.get(request)?.writeContinue();
  waiting.delete(request);
}

/** Whether its client still waits for permission. */
export function isHeld(request: IncomingMessage): boolean {
  return waiting.has(request);
}
