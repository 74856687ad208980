/** `orderonce send`: sends events to the ingest API from any shell. */
import { OrderonceError } from '../errors.ts';
import { baseUrlOf, producerPlace } from '../runtime/port.ts';
import type { Settings } from '../settings/settings.ts';
import type { Call } from './command.ts';
import { exampleEvent } from './example-event.ts';
import type { IngestApi } from './send-batch.ts';
import { type SendOptions, sendFile } from './send-file.ts';

/**
 * `orderonce send FILE`, `send -` for standard input, or `send --example`.
 * @returns the exit code: 1 if an event was rejected.
 * @throws API_UNREACHABLE, API_REFUSES, SETTING_INVALID
 */
export async function runSend(call: Call): Promise<number> {
  const { settings, flags, words } = call;
  const [file] = words;
  const api = { baseUrl: baseUrlOf(producerPlace(settings)), headers: headersOf(settings) };
  if (flags.example === true) return await sendExample(api, flags.json === true);
  const eventBytesMax = settings.EVENT_BYTES_MAX;
  if (file !== undefined) return await sendLines({ file, api, eventBytesMax }, flags.json === true);
  const message =
    'There is nothing to send. Usage: orderonce send FILE (one event per line), "send -" for standard input, or "send --example"';
  throw new OrderonceError('SETTING_INVALID', message);
}

function headersOf({ API_KEY: key }: Settings): Record<string, string> {
  return key === undefined ? {} : { authorization: `Bearer ${key}` };
}

async function sendLines(
  what: Pick<SendOptions, 'file' | 'api' | 'eventBytesMax'>,
  json: boolean,
): Promise<number> {
  const { isTTY } = process.stderr;
  const report = await sendFile({
    ...what,
    onProgress: (share, { accepted, rejected }) => {
      if (!isTTY) return;
      const bar = '█'.repeat(Math.round(share * 20)).padEnd(20, '░');
      process.stderr.write(`\r\x1b[K${bar} ${accepted} accepted, ${rejected} rejected`);
    },
    onWait: (reason) => process.stderr.write(`${isTTY ? '\r\x1b[K' : ''}Waiting: ${reason}\n`),
  });
  if (isTTY) process.stderr.write('\r\x1b[K');
  const { accepted, rejected, receipts_file, rejected_file } = report;
  if (json) console.log(JSON.stringify(report));
  else {
    console.log(
      `Accepted: ${accepted}. To verify them: orderonce verify --receipts ${receipts_file}`,
    );
    if (rejected_file !== undefined) {
      console.log(`Rejected: ${rejected}. Lines and reasons are in ${rejected_file}`);
    }
  }
  return rejected === 0 ? 0 : 1;
}

/** Sends a generated event, as the curl commands that `start` prints do. */
async function sendExample({ baseUrl, headers }: IngestApi, json: boolean): Promise<number> {
  const event = exampleEvent();
  const answer = await fetch(`${baseUrl}/events`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(event),
  }).catch((error: unknown) => {
    const { cause } = error as { cause?: { message?: string } };
    throw new OrderonceError(
      'API_UNREACHABLE',
      `No answer at ${baseUrl} (${cause?.message || error}). Start the ingest API, for example with "npm start", or correct HOST and PRODUCER_PORT`,
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
