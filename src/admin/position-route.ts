import type { PartitionReport } from '../positions/report.ts';
import type { HttpServer } from '../runtime/http-server.ts';

/** `GET /positions`: the report of `orderonce positions`, from what the consumers have stored. */
export function addPositionRoute(
  app: HttpServer,
  read: () => Promise<readonly PartitionReport[]>,
): void {
  const schema = { summary: 'Position, lag and state of each partition', tags: ['health'] };
  app.get('/positions', { schema }, async () => ({ items: await read() }));
}
