/**
 * The baseline for ingest: a server with node:http only, which reads the body and answers 202.
 *
 *   bare-http.ts PORT          reads the body
 *   bare-http.ts PORT parse    reads the body and parses it with JSON.parse
 */
import { createServer } from 'node:http';

const [port, mode] = process.argv.slice(2);
createServer((request, response) => {
  // The health check of the benchmark, which waits until the server runs.
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
