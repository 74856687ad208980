/** `orderonce health producer|consumer`: the command for the health checks of containers. */
import { askHealth } from '../runtime/ask-health.ts';
import { consumerPlace, producerPlace } from '../runtime/port.ts';
import { type Call, EXIT } from './command.ts';

const ANSWER_MS = 3000;
const PLACES = { producer: producerPlace, consumer: consumerPlace };

/** @returns the exit code: 0 if the service is healthy, else 1 and the reason on stderr. */
export async function runHealth({ settings, words: [service = ''], out }: Call): Promise<number> {
  const place = PLACES[service as keyof typeof PLACES](settings);
  const answer = await askHealth(place, ANSWER_MS);
  if (answer?.isHealthy) {
    out.data('healthy', { service, healthy: true, reason: null });
    return EXIT.ok;
  }
  const reason = answer?.detail ?? `The ${service} does not answer on port ${place.port}`;
  if (out.isJson) out.data('', { service, healthy: false, reason });
  else out.say(reason);
  return EXIT.failed;
}
