import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { actorOf, whyNoChange, whyNoChanges } from './change-guard.ts';

const LOCAL = { host: 'localhost:8001', 'content-type': 'application/json' };

function request(remoteAddress: string, headers: Record<string, string>, encrypted = false) {
  return { raw: { socket: { remoteAddress, encrypted } }, headers } as unknown as Parameters<
    typeof whyNoChange
  >[0];
}

describe('whyNoChange', () => {
  it('lets programs of this machine through', () => {
    for (const address of ['127.0.0.1', '127.8.0.1', '::1', '::ffff:127.0.0.1']) {
      assert.equal(whyNoChange(request(address, LOCAL)), null, address);
    }
    const own = { ...LOCAL, host: '[::1]:8001', origin: 'http://[::1]:8001' };
    assert.equal(whyNoChange(request('::1', own)), null);
  });

  it("lets the console's own page through, with TLS and without", () => {
    const from = (scheme: string) => ({ ...LOCAL, origin: `${scheme}://${LOCAL.host}` });
    assert.equal(whyNoChange(request('::1', from('http'), false)), null);
    const own = { ...from('http'), 'sec-fetch-site': 'same-origin' };
    assert.equal(whyNoChange(request('::1', own)), null);
    assert.equal(whyNoChange(request('::1', from('https'), true)), null);
    assert.match(whyNoChange(request('::1', from('http'), true)) ?? '', /origin/);
    assert.match(whyNoChange(request('::1', from('https'), false)) ?? '', /origin/);
  });

  it('refuses everybody else, and says why', () => {
    const cases: [string, Record<string, string>, RegExp][] = [
      ['10.0.0.1', LOCAL, /this machine only/],
      ['::ffff:10.0.0.1', LOCAL, /this machine only/],
      ['127.0.0.1', { ...LOCAL, forwarded: 'for=10.0.0.1' }, /proxy/],
      ['127.0.0.1', { ...LOCAL, host: 'localhost.evil.example' }, /Host/],
      ['127.0.0.1', { ...LOCAL, origin: 'null' }, /origin/],
      ['127.0.0.1', { ...LOCAL, origin: 'http://localhost:9999' }, /origin/],
      ['127.0.0.1', { ...LOCAL, 'sec-fetch-site': 'cross-site' }, /origin/],
      ['127.0.0.1', { ...LOCAL, 'sec-fetch-site': 'same-site' }, /origin/],
      ['127.0.0.1', { host: LOCAL.host, 'content-type': 'text/plain' }, /Content-Type/],
      ['127.0.0.1', { host: LOCAL.host }, /Content-Type/],
    ];
    for (const [address, headers, why] of cases) {
      assert.match(whyNoChange(request(address, headers)) ?? '', why);
    }
  });

  it('tells before any change whether one would be refused for who asks', () => {
    const page = { host: LOCAL.host };
    assert.equal(whyNoChanges(request('127.0.0.1', page)), null);
    assert.match(whyNoChanges(request('172.18.0.1', page)) ?? '', /this machine only/);
    assert.match(whyNoChanges(request('::1', { ...page, via: '1.1 a' })) ?? '', /proxy/);
  });

  it('takes every name of a person, as UTF-8 or percent-encoded, and hyphens for what is none', () => {
    const named = (sent: string) => actorOf(request('::1', { 'orderonce-actor': sent }));
    // Node gives the bytes of a header as Latin-1.
    const asBytes = (name: string) => Buffer.from(name, 'utf8').toString('latin1');
    for (const name of [
      'ann@shop',
      'Jürgen O’Neill',
      'Łucja Żak-Nowak',
      '山田 太郎',
      "d'Arc, J.",
    ]) {
      assert.equal(named(asBytes(name)), `${name} (http ::1)`);
      assert.equal(named(encodeURIComponent(name)), `${name} (http ::1)`);
    }
    const odd = { 'a%0Ab': 'a-b', 'a\u001b[31m': 'a--31m', '%E2%80%AEann': '-ann', 'a%': 'a-' };
    for (const [sent, name] of Object.entries(odd)) assert.equal(named(sent), `${name} (http ::1)`);
    assert.equal(named('x'.repeat(101)), `${'x'.repeat(100)} (http ::1)`);
    for (const none of ['', ' ', '%0A', '\u00ff']) assert.equal(named(none), 'http ::1');
  });
});
