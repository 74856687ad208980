import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { Registry } from 'prom-client';
import { makeCertificates, NO_OPENSSL } from '../../test/support/certificates.ts';
import { addCertificateMetrics } from './certificate-metrics.ts';

it('the end of validity is that of the file as it is now, of the certificate that ends first', {
  skip: NO_OPENSSL,
}, async (t) => {
  const { folder, ca, server } = makeCertificates(t);
  const file = join(folder, 'chain.pem');
  copyFileSync(server.cert, file);
  const registry = new Registry();
  addCertificateMetrics(registry, { TLS_CERT_FILE: file, KAFKA_TLS_CA_FILE: join(folder, 'none') });
  const ends = async () =>
    [...(await registry.metrics()).matchAll(/seconds\{file="(\w+)"\} (\d+)/g)].map(
      ([, of, at]) => [of, Number(at)] as const,
    );
  const [[of, first] = [], ...others] = await ends();
  assert.deepEqual([of, others], ['TLS_CERT_FILE', []]);
  const days = ((first ?? 0) - Date.now() / 1000) / 86_400;
  assert.ok(days > 0 && days < 400, `${days} days`);
  appendFileSync(file, readFileSync(ca));
  const [[, both] = []] = await ends();
  assert.ok((both ?? 0) <= (first ?? 0));
  writeFileSync(file, 'no certificate');
  assert.deepEqual(await ends(), []);
});
