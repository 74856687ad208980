/** A certificate authority for one test, and certificates signed by it, made with openssl(1). */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** Why tests that need certificates are skipped; false if they run. CI requires openssl(1). */
export const NO_OPENSSL: string | false =
  process.env.CI === 'true' || spawnSync('openssl', ['version']).status === 0
    ? false
    : 'openssl(1) is not installed';

type Pair = { readonly cert: string; readonly key: string };

export type Certificates = {
  readonly folder: string;
  /** Path of a PEM file, as in each Pair. */
  readonly ca: string;
  /** Valid for localhost and 127.0.0.1. */
  readonly server: Pair;
  /** Signed by the same authority, but for another host. */
  readonly stranger: Pair;
  readonly client: Pair;
  /** Reads a file of the folder. @param name its name without ".pem". */
  readonly read: (name: string) => Buffer;
};

/** @param place a folder, or a test; the test gets a folder that is removed when it ends. */
export function makeCertificates(place: TestContext | string): Certificates {
  const folder = typeof place === 'string' ? place : folderOf(place);
  const openssl = (...words: string[]) => execFileSync('openssl', words, { stdio: 'pipe' });
  const at = (name: string) => join(folder, `${name}.pem`);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const made = ['-keyout', at('ca.key'), '-out', at('ca')];
  openssl('req', '-x509', '-days', '2', '-subj', '/CN=test authority', ...key, ...made);
  const issue = (name: string, hosts: string): Pair => {
    const pair = { cert: at(`${name}.cert`), key: at(`${name}.key`) };
    const request = join(folder, `${name}.csr`);
    const extensions = join(folder, `${name}.ext`);
    writeFileSync(extensions, `subjectAltName=${hosts}\n`);
    openssl('req', '-subj', `/CN=${name}`, ...key, '-keyout', pair.key, '-out', request);
    const by = ['-CA', at('ca'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2'];
    openssl('x509', '-req', '-in', request, ...by, '-extfile', extensions, '-out', pair.cert);
    return pair;
  };
  return {
    folder,
    ca: at('ca'),
    server: issue('server', 'DNS:localhost,IP:127.0.0.1'),
    stranger: issue('stranger', 'DNS:elsewhere.example'),
    client: issue('client', 'DNS:client.example'),
    read: (name) => readFileSync(at(name)),
  };
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'orderonce-certificates-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}
