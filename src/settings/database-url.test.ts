import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDatabaseUrl } from './database-url.ts';

const hostsOf = (url: string) => parseDatabaseUrl(url).hosts.map(({ host, port }) => [host, port]);

describe('parseDatabaseUrl', () => {
  it('reads user, password and database, decoded', () => {
    const { user, password, database, hosts } = parseDatabaseUrl(
      'postgresql://shop%40eu:p%40ss%2Fw%3Fo%23r%25d%3A+@db:6543/or%20ders',
    );
    assert.deepEqual([user, password, database], ['shop@eu', 'p@ss/w?o#r%d:+', 'or ders']);
    assert.deepEqual(hosts, [{ host: 'db', port: 6543 }]);
  });

  it('takes several hosts, addresses, sockets, and lists in parameters', () => {
    assert.deepEqual(hostsOf('postgres://a:1,b,[::1]:3/db'), [
      ['a', 1],
      ['b', 5432],
      ['::1', 3],
    ]);
    assert.deepEqual(hostsOf('postgres://u:p@/db?host=a,b&port=7'), [
      ['a', 7],
      ['b', 7],
    ]);
    assert.deepEqual(hostsOf('postgres://%2Fvar%2Frun/db'), [['/var/run', 5432]]);
    assert.deepEqual(hostsOf('postgres:///db'), [['localhost', 5432]]);
  });

  it('tells whoever forgot to encode a password how to do it, and does not repeat it', () => {
    for (const password of [
      'secret@word',
      'secret/word',
      'secret?word',
      '123/secret',
      '123?secret',
      '123?secret=word',
      'secret%word',
      'secret%zz',
      '@secret',
      'secret/',
      'se:cret/word',
    ]) {
      const url = `postgres://shop:${password}@db.example:5432/orders`;
      assert.throws(
        () => parseDatabaseUrl(url),
        ({ code, message }: Error & { code: string }) => {
          assert.equal(code, 'SETTING_INVALID');
          assert.match(message, /DATABASE_URL .*percent-encoded.*"@" as %40/, password);
          assert.doesNotMatch(message, /secret|123/, password);
          return true;
        },
      );
    }
    // psql accepts this too.
    assert.equal(parseDatabaseUrl('postgres://u:a#b:c d@db/x').password, 'a#b:c d');
  });

  it('reads the parameters that libpq knows, and refuses what nobody knows', () => {
    const target = parseDatabaseUrl(
      'postgres://u@db/x?target_session_attrs=read-write&connect_timeout=7&application_name=a%20b&sslmode=verify-full&keepalives=1',
    );
    assert.deepEqual(
      [target.sessionAttributes, target.connectTimeoutMs, target.applicationName, target.sslMode],
      ['read-write', 7000, 'a b', 'verify-full'],
    );
    for (const [query, complaint] of [
      ['target_session_atrs=any', /unknown parameter: target_session_atrs/],
      ['target_session_attrs=writable', /target_session_attrs=writable.*read-write/],
      ['sslmode=on', /sslmode=on.*verify-full/],
      ['connect_timeout=soon', /connect_timeout=soon/],
      ['sslnegotiation=direct', /direct.*sslmode=require/],
      ['sslcert=/c.pem', /sslcert and sslkey/],
      ['sslmode=verify-ca', /verify-ca without sslrootcert/],
      ['host=a,b&port=1,2,3', /2 hosts but 3 ports/],
    ] as const) {
      assert.throws(() => parseDatabaseUrl(`postgres://u@db/x?${query}`), complaint);
    }
  });

  it('takes the default of libpq where sslmode is not given, and what other drivers call it', () => {
    const modeOf = (query: string) => parseDatabaseUrl(`postgres://db/x?${query}`).sslMode;
    assert.deepEqual(
      ['', 'ssl=true', 'ssl=false', 'ssl=no-verify', 'sslmode=no-verify'].map(modeOf),
      ['prefer', 'require', 'disable', 'no-verify', 'no-verify'],
    );
  });

  it('refuses what is no URL of PostgreSQL, or leads nowhere', () => {
    for (const url of ['mysql://db/x', 'db', 'postgres://db:99999/x', 'postgres://a b[/x']) {
      assert.throws(() => parseDatabaseUrl(url), { code: 'SETTING_INVALID' }, url);
    }
  });
});
