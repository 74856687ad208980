import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { freePort } from '../../test/support/free-port.ts';
import { createLogger } from '../runtime/logger.ts';
import { readSettings } from '../settings/settings.ts';
import { runHealth } from './health.ts';
import { Output } from './output.ts';

/** A service that answers GET /health with this status, or nobody, on a port of its own. */
async function portThatAnswers(t: TestContext, status: number | null): Promise<number> {
  if (status === null) return await freePort();
  const server = createServer((_, response) => {
    response.writeHead(status).end(JSON.stringify({ detail: 'Kafka is away' }));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

const SILENT =
  /^The producer does not answer on port \d+\nThe consumer does not answer on port \d+$/;

type Case = {
  readonly title: string;
  readonly word?: string;
  /** The status that each answers, or null if it does not run. */
  readonly producer: number | null;
  readonly consumer: number | null;
  readonly code: number;
  readonly says: RegExp;
};
const CASES: readonly Case[] = [
  {
    title: 'is healthy where only a healthy consumer runs',
    producer: null,
    consumer: 200,
    code: 0,
    says: /^healthy$/,
  },
  {
    title: 'is healthy where only a healthy producer runs',
    producer: 200,
    consumer: null,
    code: 0,
    says: /^healthy$/,
  },
  {
    title: 'is not where the consumer that runs is not',
    producer: null,
    consumer: 503,
    code: 1,
    says: /^Kafka is away$/,
  },
  {
    title: 'is not where one of both is not',
    producer: 200,
    consumer: 503,
    code: 1,
    says: /^Kafka is away$/,
  },
  { title: 'is not where nothing runs', producer: null, consumer: null, code: 1, says: SILENT },
  {
    title: 'demands the service that is named',
    word: 'producer',
    producer: null,
    consumer: 200,
    code: 1,
    says: /^The producer does not/,
  },
  {
    title: 'asks only the service that is named',
    word: 'consumer',
    producer: 503,
    consumer: 200,
    code: 0,
    says: /^healthy$/,
  },
];

describe('orderonce health', () => {
  for (const { title, word, producer, consumer, code, says } of CASES) {
    it(title, async (t) => {
      const lines: string[] = [];
      const stream = { write: (text: string) => void lines.push(text.trimEnd()) };
      const out = new Output({}, { stdout: stream, stderr: stream, env: {} });
      const settings = readSettings({
        PRODUCER_PORT: String(await portThatAnswers(t, producer)),
        CONSUMER_PORT: String(await portThatAnswers(t, consumer)),
      });
      const words = word === undefined ? [] : [word];
      const logger = createLogger('silent');
      assert.equal(
        await runHealth({ settings, action: null, words, flags: {}, logger, out }),
        code,
      );
      assert.match(lines.join('\n'), says);
    });
  }
});
