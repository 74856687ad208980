/** TLS of our own HTTP services, from files. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { SecureVersion, Server } from 'node:tls';
import { OrderonceError, reasonOf } from '../errors.ts';
import type { Settings } from '../settings/settings.ts';
import type { Logger } from './logger.ts';
import { WatchedFiles } from './watched-files.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

export type ServerTls = {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
  readonly requestCert: boolean;
  /** Never: whoever has no certificate is refused by request, so that health checks need none. */
  readonly rejectUnauthorized: false;
  readonly minVersion: SecureVersion;
};

/** @returns null where no certificate is set: plain HTTP. @throws SETTING_INVALID */
export function serverTlsOf(settings: Settings): ServerTls | null {
  const { TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE } = settings;
  if (TLS_CERT_FILE === undefined && TLS_KEY_FILE === undefined) {
    if (TLS_CLIENT_CA_FILE === undefined) return null;
    throw new OrderonceError('SETTING_INVALID', 'TLS_CLIENT_CA_FILE needs TLS_CERT_FILE');
  }
  if (TLS_CERT_FILE === undefined || TLS_KEY_FILE === undefined) {
    throw new OrderonceError('SETTING_INVALID', 'TLS_CERT_FILE and TLS_KEY_FILE go together');
  }
  const isMutual = TLS_CLIENT_CA_FILE !== undefined;
  const cert = readSettingFile('TLS_CERT_FILE', TLS_CERT_FILE);
  const key = readSettingFile('TLS_KEY_FILE', TLS_KEY_FILE);
  const ca = isMutual ? readSettingFile('TLS_CLIENT_CA_FILE', TLS_CLIENT_CA_FILE) : null;
  assertUsable(cert, key, ca);
  return {
    cert,
    key,
    ...(ca === null ? {} : { ca }),
    requestCert: isMutual,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
  };
}

/** Node itself would take a key of another kind, or an authority that is none, and fail later. */
function assertUsable(cert: Buffer, key: Buffer, ca: Buffer | null): void {
  const pem = (name: string, check: () => void) => {
    try {
      check();
    } catch (error) {
      throw new OrderonceError('SETTING_INVALID', `${name}: ${reasonOf(error)}`);
    }
  };
  let fits = false;
  pem('TLS_CERT_FILE', () => new X509Certificate(cert));
  pem('TLS_KEY_FILE', () => {
    fits = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  });
  if (!fits) throw new OrderonceError('SETTING_INVALID', 'TLS_KEY_FILE is not of TLS_CERT_FILE');
  if (ca === null) return;
  const blocks = ca.toString('latin1').match(CERTIFICATE) ?? [];
  if (blocks.length === 0) pem('TLS_CLIENT_CA_FILE', () => new X509Certificate(ca));
  for (const block of blocks) pem('TLS_CLIENT_CA_FILE', () => new X509Certificate(block));
}

/**
 * Keeps the certificates of a server as its files are: those that are renewed go into use with the
 * next connection. @returns null for plain HTTP.
 */
export function watchTls(server: unknown, settings: Settings, logger: Logger): WatchedFiles | null {
  const { TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE } = settings;
  const files = [TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE];
  const paths = files.filter((file) => file !== undefined);
  if (paths.length === 0) return null;
  const read = () => (server as Server).setSecureContext(serverTlsOf(settings) as ServerTls);
  return new WatchedFiles(paths, 'certificates', read, logger);
}

/** @throws SETTING_INVALID naming the setting, never the content. */
export function readSettingFile(name: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new OrderonceError('SETTING_INVALID', `${name}: ${reasonOf(error)}`);
  }
}
