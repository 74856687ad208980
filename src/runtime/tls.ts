/** TLS of our own HTTP services, from files. */
import { readFileSync } from 'node:fs';
import type { SecureVersion, Server } from 'node:tls';
import { OrderonceError, reasonOf } from '../errors.ts';
import type { Settings } from '../settings.ts';
import type { Logger } from './logger.ts';
import { WatchedFiles } from './watched-files.ts';

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
  return {
    cert: readSettingFile('TLS_CERT_FILE', TLS_CERT_FILE),
    key: readSettingFile('TLS_KEY_FILE', TLS_KEY_FILE),
    ...(isMutual ? { ca: readSettingFile('TLS_CLIENT_CA_FILE', TLS_CLIENT_CA_FILE) } : {}),
    requestCert: isMutual,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
  };
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
