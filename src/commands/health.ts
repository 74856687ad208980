/** `orderonce health`: the command for the health checks of containers. */
import { askHealth } from '../runtime/ask-health.ts';
import { consumerPlace, producerPlace } from '../runtime/port.ts';
import { type Call, EXIT } from './command.ts';

const ANSWER_MS = 3000;
const PLACES = { producer: producerPlace, consumer: consumerPlace };
type Name = keyof typeof PLACES;

/**
 * Asks the named service, or, without a name, those that run here. A container runs one service, or
 * both in one process, so a port that does not answer beside one that does belongs to none.
 * @returns the exit code: 0 if the service is healthy, else 1 and the reason on stderr.
 */
export async function runHealth({ settings, words: [name], out }: Call): Promise<number> {
  const names = name === undefined ? (Object.keys(PLACES) as Name[]) : [name as Name];
  const places = names.map((one) => PLACES[one](settings));
  const asked = await Promise.all(places.map((place) => askHealth(place, ANSWER_MS)));
  const answers = asked.filter((answer) => answer !== null);
  const reasons =
    answers.length === 0
      ? names.map((one, i) => `The ${one} does not answer on port ${places[i]?.port}`)
      : answers.filter(({ isHealthy }) => !isHealthy).map(({ detail }) => detail);
  const healthy = reasons.length === 0;
  if (healthy || out.isJson) out.data('healthy', { healthy, reasons });
  else out.say(reasons.join('\n'));
  return healthy ? EXIT.ok : EXIT.failed;
}
