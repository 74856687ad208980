/** `orderonce send`: sends events to the ingest API from any shell. */
import { OrderonceError } from '../errors.ts';
import { baseUrlOf, producerPlace } from '../runtime/port.ts';
import type { Settings } from '../settings/settings.ts';
import { type Call, EXIT } from './command.ts';
import { exampleEvent } from './example-event.ts';
import type { Output } from './output.ts';
import type { IngestApi } from './send-batch.ts';
import { type SendOptions, sendFile } from './send-file.ts';

/**
 * `orderonce send FILE`, `send -` for standard input, or `send --example`.
 * @returns the exit code: 1 if an event was rejected.
 * @throws API_UNREACHABLE, API_REFUSES, SETTING_INVALID
 */
export async function runSend(call: Call): Promise<number> {
  const {
    settings,
    flags,
    words: [file],
    out,
  } = call;
  const api = { baseUrl: baseUrlOf(producerPlace(settings)), headers: headersOf(settings) };
  if (flags.example === true && file !== undefined) {
    throw new OrderonceError('SETTING_INVALID', '--example and FILE exclude each other');
  }
  if (flags.example === true) return await sendExample(api, out);
  if (file !== undefined) {
    return await sendLines({ file, api, eventBytesMax: settings.EVENT_BYTES_MAX }, out);
  }
  const message =
    'There is nothing to send. Usage: orderonce send FILE (one event per line), "send -" for standard input, or "send --example"';
  throw new OrderonceError('SETTING_INVALID', message);
}

function headersOf({ API_KEY: key }: Settings): Record<string, string> {
  return key === undefined ? {} : { authorization: `Bearer ${key}` };
}

async function sendLines(
  what: Pick<SendOptions, 'file' | 'api' | 'eventBytesMax'>,
  out: Output,
): Promise<number> {
  const report = await sendFile({
    ...what,
    onProgress: (share, { accepted, rejected }) => {
      const bar = '█'.repeat(Math.round(share * 20)).padEnd(20, '░');
      out.progress(`${bar} ${accepted} accepted, ${rejected} rejected`);
    },
    onWait: (reason) => {
      out.progress('');
      out.say(`Waiting: ${reason}`);
    },
  });
  out.progress('');
  const { accepted, rejected, receipts_file, rejected_file } = report;
  const lines = [
    `Accepted: ${accepted}. To verify them: orderonce verify --receipts ${receipts_file}`,
    ...(rejected_file === undefined
      ? []
      : [`Rejected: ${rejected}. Lines and reasons are in ${rejected_file}`]),
  ];
  out.data(lines.join('\n'), report);
  return rejected === 0 ? EXIT.ok : EXIT.failed;
}

/** Sends a generated event, as the curl commands that `start` prints do. */
async function sendExample({ baseUrl, headers }: IngestApi, out: Output): Promise<number> {
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
  const lines = [
    `Sent     ${JSON.stringify(event)}`,
    `Answer   ${answer.status} ${text}`,
    ...(statusUrl === null ? [] : [`Event    ${statusUrl}\nOrder    ${orderUrl}`]),
  ];
  const urls = { status_url: statusUrl, order_url: orderUrl };
  out.data(lines.join('\n'), { http_status: answer.status, event, ...urls });
  return answer.status === 202 ? EXIT.ok : EXIT.failed;
}
