/** `orderonce health producer|consumer`: for the health checks of containers. */
import { OrderonceError } from '../errors.ts';
import { askHealth } from '../runtime/ask-health.ts';
import { consumerPlace, producerPlace } from '../runtime/port.ts';
import type { Call } from './command.ts';

const ANSWER_MS = 3000;
const PLACES = { producer: producerPlace, consumer: consumerPlace };

/** Exit code 0 when it is healthy, else 1, with the reason. */
export async function runHealth({ settings, words: [service = ''] }: Call): Promise<number> {
  if (!Object.hasOwn(PLACES, service)) {
    throw new OrderonceError('SETTING_INVALID', 'Say whose: "orderonce health producer|consumer"');
  }
  const place = PLACES[service as keyof typeof PLACES](settings);
  const answer = await askHealth(place, ANSWER_MS);
  if (answer?.isHealthy) console.log('healthy');
  else console.error(answer === null ? `No answer on port ${place.port}` : answer.detail);
  return answer?.isHealthy ? 0 : 1;
}
