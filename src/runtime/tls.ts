/** TLS of the HTTP services, from files. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { SecureVersion, Server } from 'node:tls';
import { OrderonceError, reasonOf } from '../errors.ts';
import type { Settings } from '../settings/settings.ts';
import type { Logger } from './logger.ts';
import { WatchedFiles } from './watched-files.ts';

/** The certificates of a PEM file. */
export const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

export type ServerTls = {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
  readonly requestCert: boolean;
  /** Never, so that health checks need no client certificate. access.ts refuses other requests. */
  readonly rejectUnauthorized: false;
  readonly minVersion: SecureVersion;
};

/**
 * @returns null if no certificate is set, for plain HTTP.
 * @throws SETTING_INVALID if settings contradict each other, or a file cannot be used.
 */
export function serverTlsOf(settings: Settings): ServerTls | null {
  const { TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE } = settings;
  if (TLS_CERT_FILE === undefined && TLS_KEY_FILE === undefined) {
    if (TLS_CLIENT_CA_FILE === undefined) return null;
    const message = 'TLS_CLIENT_CA_FILE is set, but TLS_CERT_FILE is not: set it too';
    throw new OrderonceError('SETTING_INVALID', message);
  }
  if (TLS_CERT_FILE === undefined || TLS_KEY_FILE === undefined) {
    const message = 'Only one of TLS_CERT_FILE and TLS_KEY_FILE is set: set both or neither';
    throw new OrderonceError('SETTING_INVALID', message);
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

/**
 * Node accepts a key that does not fit, or an invalid CA, and fails only later. So it is checked.
 */
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
  if (!fits) {
    const message = 'TLS_KEY_FILE is not the private key of TLS_CERT_FILE';
    throw new OrderonceError('SETTING_INVALID', message);
  }
  if (ca === null) return;
  const blocks = ca.toString('latin1').match(CERTIFICATE) ?? [];
  if (blocks.length === 0) pem('TLS_CLIENT_CA_FILE', () => new X509Certificate(ca));
  for (const block of blocks) pem('TLS_CLIENT_CA_FILE', () => new X509Certificate(block));
}

/**
 * Reads the certificates of a server again when their files change. New connections use the new
 * ones.
 * @returns null for plain HTTP.
 */
export function watchTls(server: unknown, settings: Settings, logger: Logger): WatchedFiles | null {
  const { TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE } = settings;
  const files = [TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE];
  const paths = files.filter((file) => file !== undefined);
  if (paths.length === 0) return null;
  const read = () => (server as Server).setSecureContext(serverTlsOf(settings) as ServerTls);
  return new WatchedFiles(paths, 'certificates', read, logger);
}

/** Reads the file of a setting. @throws SETTING_INVALID with the name of the setting. */
export function readSettingFile(name: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new OrderonceError('SETTING_INVALID', `${name}: ${reasonOf(error)}`);
  }
}
