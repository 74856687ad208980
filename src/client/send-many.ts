/** Sends many events, and yields a verdict for each. src/client/stream.ts does the work. */
import type { Verdict } from './batch.ts';
import { type SendManyOptions, Stream } from './stream.ts';
import type { Transport } from './transport.ts';

/**
 * Yields one verdict for each event, in the order of the source.
 * @throws Unknown, Unauthorized when it gives up, after a verdict for each event that it has read;
 * what the source throws, after the verdicts of the events before.
 */
export async function* sendMany(
  transport: Transport,
  source: Iterable<object> | AsyncIterable<object>,
  options: SendManyOptions = {},
): AsyncGenerator<Verdict, void, undefined> {
  const stream = new Stream(transport, source, options);
  try {
    for (let isMore = true; isMore; ) {
      isMore = await stream.turn();
      yield* stream.takeSettled();
    }
    yield* stream.takeUnknown();
    if (stream.failure !== null) throw stream.failure;
    if (stream.intake.failure !== null) throw stream.intake.failure.error;
  } finally {
    await stream.intake.close();
  }
}
