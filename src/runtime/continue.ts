/**
 * `Expect: 100-continue` (RFC 9110, section 10.1.1): the client waits for permission before it
 * sends its body. A request that is refused because of its headers then costs no upload, and the
 * client reads the refusal.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';

const waiting = new WeakMap<IncomingMessage, ServerResponse>();

/** Stops Node from giving permission automatically, so that continueRequest() decides when. */
export function holdExpectations(server: Server): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    waiting.set(request, response);
    server.emit('request', request, response);
  });
}

/**
 * Gives permission. To be called before a body is read; has no effect if the client does not wait.
 */
export function continueRequest(request: IncomingMessage): void {
  waiting.get(request)?.writeContinue();
  waiting.delete(request);
}

/** Whether the client still waits for permission. */
export function isHeld(request: IncomingMessage): boolean {
  return waiting.has(request);
}
