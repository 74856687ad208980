/**
 * What Node's own server reaches: reads the body, answers 202.
 *
 *   bare-http.ts PORT          only that
 *   bare-http.ts PORT parse    with a JSON.parse of the body
 */
import { createServer } from 'node:http';

const [port, mode] = process.argv.slice(2);
createServer((request, response) => {
  // Asked for health, to know that it is there.
  if (request.method === 'GET') return void response.end();
  const chunks: Buffer[] = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    const eventId = mode === 'parse' ? JSON.parse(body.toString()).event_id : body.length;
    const answer = `{"status":"accepted","event_id":"${eventId}"}`;
    response.writeHead(202, {
      'content-type': 'application/json',
      'content-length': answer.length,
    });
    response.end(answer);
  });
}).listen(Number(port), '127.0.0.1');
process.once('SIGTERM', () => process.exit());
