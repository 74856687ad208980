import type { PartitionReport } from '../positions/report.ts';
import type { HttpServer } from '../runtime/http-server.ts';
import { GET_POSITIONS } from './status-operations.ts';

/** `GET /positions`: the report of `orderonce positions`, from what the consumers have stored. */
export function addPositionRoute(
  app: HttpServer,
  read: () => Promise<readonly PartitionReport[]>,
): void {
  app.get('/positions', { config: { operation: GET_POSITIONS } }, async () => ({
    items: await read(),
  }));
}
