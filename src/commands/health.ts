/** `orderonce health producer|consumer`: the command for the health checks of containers. */
import { OrderonceError } from '../errors.ts';
import { askHealth } from '../runtime/ask-health.ts';
import { consumerPlace, producerPlace } from '../runtime/port.ts';
import type { Call } from './command.ts';

const ANSWER_MS = 3000;
const PLACES = { producer: producerPlace, consumer: consumerPlace };

/** @returns the exit code: 0 if the service is healthy, else 1 and the reason on stderr. */
export async function runHealth({ settings, words: [service = ''] }: Call): Promise<number> {
  if (!Object.hasOwn(PLACES, service)) {
    throw new OrderonceError('SETTING_INVALID', 'Usage: orderonce health producer|consumer');
  }
  const place = PLACES[service as keyof typeof PLACES](settings);
  const answer = await askHealth(place, ANSWER_MS);
  if (answer?.isHealthy) console.log('healthy');
  else
    console.error(
      answer === null ? `The ${service} does not answer on port ${place.port}` : answer.detail,
    );
  return answer?.isHealthy ? 0 : 1;
}
