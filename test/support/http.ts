/** Raw HTTP, to send what a correct client would not. */
import { connect } from 'node:net';

/** Sends each argument in a write of its own, and reads until the server closes the connection. */
export async function sendRaw(port: number, ...pieces: (string | Buffer)[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1');
  });
  for (const piece of pieces) socket.write(piece);
  return await new Promise((resolve) => {
    socket.on('error', () => {});
    socket.on('close', () => resolve(received));
  });
}

/** Status and JSON body of a raw answer. */
export function parseAnswer(raw: string): { status: number; body: Record<string, unknown> } {
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(raw)?.[1]);
  const text = raw.slice(raw.indexOf('\r\n\r\n') + 4);
  return { status, body: JSON.parse(text) };
}
