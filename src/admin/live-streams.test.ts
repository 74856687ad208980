import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { testSettings } from '../../test/support/settings.ts';
import { until } from '../../test/support/until.ts';
import { addAccess } from '../access/access.ts';
import { makeKey } from '../access/api-keys.ts';
import { createHttpServer, type HttpServer } from '../runtime/http-server.ts';
import { createLogger } from '../runtime/logger.ts';
import { type LiveSources, LiveStreams } from './live-streams.ts';
import type { NewOutcomes } from './outcome-feed.ts';
import { addStreamRoute } from './stream-route.ts';

const NONE: NewOutcomes = { nowMs: 9, items: [], skipped: 0 };

async function setUp(t: TestContext, prepare: (app: HttpServer) => void = () => {}) {
  const state = { verdict: 'fine', reads: 0, fresh: NONE, resumed: [] as number[] };
  const boundary = { asked: false, known: Promise.resolve() };
  const sources = {
    overview: {
      read: async () => {
        state.reads++;
        return {
          as_of: String(state.reads),
          verdict: state.verdict,
          lag: { still_seconds: state.reads },
        };
      },
    },
    outcomes: {
      begin: () => {},
      next: async () => {
        boundary.asked = true;
        await boundary.known;
        const { fresh } = state;
        state.fresh = NONE;
        return fresh;
      },
      since: async (ms: number) => {
        state.resumed.push(ms);
        return { nowMs: 9, items: [{ ms: ms + 1, line: { outcome: 'conflict' } }], skipped: 0 };
      },
    },
    jobs: { open: async () => [{ redrive_id: 7 }], changed: async () => [] },
  };
  const streams = new LiveStreams(sources as unknown as LiveSources);
  const app = await createHttpServer({
    ...{ title: 'test', description: '', bodyBytesMax: 1024, requestTimeoutMs: 5000, tls: null },
    logger: createLogger('silent'),
  });
  prepare(app);
  addStreamRoute(app, streams);
  await app.listen({ host: '127.0.0.1', port: 0 });
  t.after(() => {
    streams.stop();
    return app.close();
  });
  const { port } = app.server.address() as { port: number };
  const open = async (query = '', headers: Record<string, string> = {}) => {
    const gone = new AbortController();
    t.after(() => gone.abort());
    const answer = await fetch(`http://127.0.0.1:${port}/stream${query}`, {
      headers,
      signal: gone.signal,
    });
    const seen = { text: '', isEnded: false };
    void (async () => {
      try {
        for await (const chunk of answer.body ?? []) seen.text += Buffer.from(chunk).toString();
      } catch {
        // Cut.
      }
      seen.isEnded = true;
    })();
    const events = () => [...seen.text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name);
    return { answer, seen, events, close: () => gone.abort() };
  };
  return { state, boundary, streams, open, app };
}

describe('GET /stream', () => {
  it('greets only once it knows from where on outcomes are new', async (t) => {
    const { state, boundary, open } = await setUp(t);
    const { promise, resolve } = Promise.withResolvers<void>();
    boundary.known = promise;
    const { events } = await open();
    await until('the boundary is asked for', () => boundary.asked);
    assert.equal(
      state.reads,
      0,
      'an overview from before the boundary would hide what lies between',
    );
    resolve();
    await until('it is greeted', () => events().includes('overview'));
  });

  it('greets with what is known, and sends the overview again only when it has changed', async (t) => {
    const { state, open } = await setUp(t);
    const { answer, seen, events } = await open();
    assert.match(answer.headers.get('content-type') ?? '', /^text\/event-stream/);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    await until('it is greeted', () => events().length === 2);
    assert.deepEqual(events(), ['redrive', 'overview']);
    await until('some turns have passed', () => state.reads > 3);
    // The time passes in `as_of` and `still_seconds`: that alone is no change.
    assert.equal(events().length, 2);
    state.verdict = 'act';
    await until('the change is sent', () => events().length === 3);
    assert.match(seen.text, /event: overview\nid: \d+\ndata: \{.*"verdict":"act".*\}\n\n$/);
  });

  it('sends outcomes with how many were skipped, and only the kind that is wanted', async (t) => {
    const { state, open } = await setUp(t);
    const [all, only] = [await open(), await open('?only=outcome')];
    await until('both are greeted', () => all.events().length === 2);
    const line = { outcome: 'dead_letter', place: '1/0/1' };
    state.fresh = {
      nowMs: 9,
      items: [
        { ms: 5, line },
        { ms: 6, line },
      ],
      skipped: 3,
    };
    await until('outcomes are sent', () => only.events().length === 2);
    assert.deepEqual(only.events(), ['outcome', 'outcome']);
    assert.match(
      only.seen.text,
      /id: 5\ndata: \{.*"skipped":3\}\n\n[\s\S]*id: 6\ndata: \{.*"skipped":0\}/,
    );
    assert.ok(all.events().includes('outcome'));
  });

  it('ends with the key that opened it, and stays for the others', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'orderonce-keys-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'keys.json');
    const [leaver, stayer] = [makeKey(), makeKey()];
    const write = (...keys: object[]) => writeFileSync(file, JSON.stringify({ keys }));
    const stays = { name: 'stays', role: 'read', sha256: stayer.sha256 };
    write({ name: 'leaves', role: 'read', sha256: leaver.sha256 }, stays);
    const { open } = await setUp(t, (app) => {
      const settings = testSettings({ API_KEYS_FILE: file });
      const { stop } = addAccess(
        app,
        settings,
        createLogger('silent'),
        () => 'read',
        () => {},
      );
      t.after(stop);
    });
    const as = (key: string) => open('', { authorization: `Bearer ${key}` });
    const [gone, kept] = [await as(leaver.key), await as(stayer.key)];
    await until('both are greeted', () => gone.events().length === 2 && kept.events().length === 2);
    write(stays);
    await until('it has ended', () => gone.seen.isEnded);
    assert.equal(kept.seen.isEnded, false);
  });

  it('resumes behind the last id, and ignores what is none', async (t) => {
    const { state, open } = await setUp(t);
    const { events } = await open('?only=outcome', { 'last-event-id': '1767323046789' });
    await until('what was missed is sent', () => events().length === 1);
    await open('?only=outcome', { 'last-event-id': 'x' });
    assert.deepEqual(state.resumed, [1_767_323_046_789]);
  });

  it('reads nothing while nobody listens, and ends when it should', async (t) => {
    const { state, open, streams } = await setUp(t);
    const short = await open('?seconds=1');
    await until('it has ended', () => short.seen.isEnded);
    const gone = await open();
    gone.close();
    let before = -1;
    const isStill = () => {
      const was = before;
      before = state.reads;
      return before === was;
    };
    await until('nobody reads for longer than a turn', isStill, { everyMs: 1500 });
    const last = await open();
    streams.stop();
    await until('it has ended', () => last.seen.isEnded);
    const late = await open();
    assert.deepEqual([late.answer.status, late.answer.headers.get('retry-after')], [503, '1']);
  });

  it('refuses more than 100, and what it does not know', async (t) => {
    const { open, app } = await setUp(t);
    const head = await app.inject({ method: 'HEAD', url: '/stream' });
    assert.equal(head.statusCode, 200);
    const first = await open();
    for (let n = 1; n < 100; n++) await open('?only=redrive');
    assert.equal((await open()).answer.status, 503);
    first.close();
    await until('one is free', async () => (await open()).answer.status === 200);
    assert.equal((await open('?only=all')).answer.status, 422);
  });
});
