import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Gauge, type Registry } from 'prom-client';
import type { Settings } from '../settings/settings.ts';
import { CERTIFICATE } from './tls.ts';

const FILES = [
  'TLS_CERT_FILE',
  'TLS_CLIENT_CA_FILE',
  'KAFKA_TLS_CERT_FILE',
  'KAFKA_TLS_CA_FILE',
] as const satisfies (keyof Settings)[];

/**
 * Adds a gauge with the end of validity of the certificates that the settings name. The files are
 * read at each scrape, because they are replaced while the service runs.
 */
export function addCertificateMetrics(
  registry: Registry,
  settings: Partial<Pick<Settings, (typeof FILES)[number]>>,
): void {
  new Gauge({
    name: 'orderonce_certificate_expiry_timestamp_seconds',
    help: 'When the first certificate of a file ends to be valid, in seconds since 1970; the label is the name of the setting. Absent if the file cannot be read.',
    labelNames: ['file'],
    registers: [registry],
    aggregator: 'min',
    async collect() {
      const ends = await Promise.all(
        FILES.map(async (file) => [file, await expiryMs(settings[file])] as const),
      );
      this.reset();
      for (const [file, ms] of ends) if (ms !== null) this.set({ file }, ms / 1000);
    },
  });
}

async function expiryMs(path: string | undefined): Promise<number | null> {
  if (path === undefined) return null;
  try {
    const blocks = (await readFile(path, 'latin1')).match(CERTIFICATE) ?? [];
    const ends = blocks.map((block) => Date.parse(new X509Certificate(block).validTo));
    return ends.length === 0 ? null : Math.min(...ends);
  } catch {
    return null;
  }
}
