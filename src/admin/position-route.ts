import type { PartitionReport } from '../positions/report.ts';
import type { HttpServer } from '../runtime/http-server.ts';

/** `GET /positions`: what `orderonce positions` shows, as the consumers have written it down. */
export function addPositionRoute(
  app: HttpServer,
  read: () => Promise<readonly PartitionReport[]>,
): void {
  const schema = { summary: 'Where each partition stands, and its lag', tags: ['health'] };
  app.get('/positions', { schema }, async () => ({ items: await read() }));
}
