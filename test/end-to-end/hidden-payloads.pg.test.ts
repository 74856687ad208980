/** READ_ROLE_PAYLOADS=off: what a key of the role `read` gets from every route, compared with `admin`. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeKey } from '../../src/access/api-keys.ts';
import { startConsoleSite } from '../support/console-site.ts';
import { wireEvent } from '../support/events.ts';

const EVENTS = fileURLToPath(new URL('../support/one-type.ts', import.meta.url));

it('a key of the role read gets no payload by any route, and one of the role admin all', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'orderonce-keys-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const keys = { read: makeKey(), admin: makeKey() };
  const file = join(folder, 'keys.json');
  const listed = Object.entries(keys).map(([role, { sha256 }]) => ({ name: role, role, sha256 }));
  writeFileSync(file, JSON.stringify({ keys: listed }));
  const env = { API_KEYS_FILE: file, READ_ROLE_PAYLOADS: 'off', EVENTS_MODULE: EVENTS };
  const site = await startConsoleSite(t, env);

  const stored = wireEvent({ user_id: 'secret-anna', total_amount: '12.34' });
  const typed = { ...wireEvent(), type: 'order.placed', data: { gift: 'secret-ring' } };
  const refused = wireEvent({ user_id: 'blocked-secret' });
  const broken = { ...wireEvent({ user_id: 'secret-bob' }), coupon: 'secret-coupon' };
  const values = [
    stored,
    { ...stored, total_amount: '56.78' },
    typed,
    broken,
    refused,
    wireEvent(),
  ];
  await site.append(
    values.map((value) => JSON.stringify(value)),
    'one-partition',
  );
  const ask = async (path: string, role: keyof typeof keys) => {
    const headers = { authorization: `Bearer ${keys[role].key}` };
    const answer = await fetch(`${site.consumerUrl}${path}`, { headers });
    assert.equal(answer.status, 200, path);
    return await answer.text();
  };
  const search = await fetch(`${site.consumerUrl}/dead-letters?q=secret`, {
    headers: { authorization: `Bearer ${keys.read.key}` },
  });
  assert.equal(search.status, 403);
  await ask('/dead-letters?q=secret', 'admin');
  const letters = JSON.parse(await ask('/dead-letters', 'admin')) as { items: { place: string }[] };
  assert.equal(letters.items.length, 2);
  const paths = [
    ...[stored, typed, refused].flatMap(({ event_id: id }) => [
      `/events/${id}`,
      `/events/${id}/history`,
    ]),
    ...[
      `/orders/${stored.order_id}`,
      `/orders/${stored.order_id}/events`,
      `/orders/${typed.order_id}`,
    ],
    ...[
      '/conflicts',
      '/duplicates',
      '/dead-letters',
      '/dead-letters/groups',
      '/overview',
      '/processes',
      '/positions',
    ],
    ...letters.items.map(({ place }) => `/dead-letters/${place}`),
    `/find?q=${stored.event_id}`,
  ];
  const told = new Set<string>();
  for (const path of paths) {
    const hidden = await ask(path, 'read');
    assert.doesNotMatch(hidden, /secret|12\.34|56\.78|coupon|gift/, path);
    const shown = await ask(path, 'admin');
    assert.deepEqual(Object.keys(JSON.parse(hidden)), Object.keys(JSON.parse(shown)), path);
    for (const word of shown.match(/secret-\w+|blocked-secret|12\.34|56\.78/g) ?? [])
      told.add(word);
  }
  const all = ['12.34', '56.78', 'blocked-secret', 'secret-anna', 'secret-bob'];
  assert.deepEqual([...told].sort(), [...all, 'secret-coupon', 'secret-ring']);
});
