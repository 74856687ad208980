/** `orderonce send`: events to the ingest API, from any shell. */
import { OrderonceError } from '../errors.ts';
import { baseUrlOf } from '../runtime/port.ts';
import type { Call } from './command.ts';
import { exampleEvent } from './example-event.ts';

/** `orderonce send --example`: what the curl line of `start` does, and a URL to click. */
export async function runSend({ settings, flags: { json, example } }: Call): Promise<number> {
  if (!example) {
    throw new OrderonceError('SETTING_INVALID', 'Nothing to send. Use "orderonce send --example"');
  }
  const base = baseUrlOf({ host: settings.HOST, port: settings.PRODUCER_PORT });
  const event = exampleEvent();
  const answer = await fetch(`${base}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(event),
  }).catch((error: unknown) => {
    const { cause } = error as { cause?: { message?: string } };
    throw new OrderonceError(
      'API_UNREACHABLE',
      `No answer at ${base} (${cause?.message || error}). Is it running? "npm start"`,
    );
  });
  const text = await answer.text();
  const statusUrl = answer.headers.get('location');
  const orderUrl = statusUrl?.replace(/\/events\/.*/, `/orders/${event.order_id}`);
  if (json) {
    console.log(
      JSON.stringify({
        http_status: answer.status,
        event,
        status_url: statusUrl,
        order_url: orderUrl,
      }),
    );
  } else {
    console.log(`Sent     ${JSON.stringify(event)}`);
    console.log(`Answer   ${answer.status} ${text}`);
    if (statusUrl !== null) console.log(`Event    ${statusUrl}\nOrder    ${orderUrl}`);
  }
  return answer.status === 202 ? 0 : 1;
}
