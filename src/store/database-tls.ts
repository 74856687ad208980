/**
 * The TLS options of a connection for `sslmode` and its files, as in libpq (PostgreSQL manual,
 * section 34.19.3). The files are read for each connection, so a renewed certificate is used
 * without a restart.
 */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { OrderonceError, reasonOf } from '../errors.ts';
import type { DatabaseTarget } from '../settings/database-url.ts';

/** TLS options; false for no TLS. */
export type Encryption = ConnectionOptions | false;

/**
 * @returns the encryptions to try, in this order. There are two for "allow" and "prefer".
 * @throws SETTING_INVALID with the file that cannot be read.
 */
export async function encryptionsOf(target: DatabaseTarget, host: string): Promise<Encryption[]> {
  // A Unix socket does not leave the machine; libpq does not encrypt it either.
  if (target.sslMode === 'disable' || host.startsWith('/')) return [false];
  const tls = await tlsOf(target, host);
  if (target.sslMode === 'allow') return [false, tls];
  return target.sslMode === 'prefer' ? [tls, false] : [tls];
}

async function tlsOf(target: DatabaseTarget, host: string): Promise<ConnectionOptions> {
  const { sslMode, sslRootCert, sslCert, sslKey, sslPassword } = target;
  const hasAuthority = sslRootCert !== undefined && sslRootCert !== 'system';
  // With sslrootcert, "require" verifies the authority too, as libpq does for compatibility.
  const verifiesAuthority =
    sslMode === 'verify-full' ||
    sslMode === 'verify-ca' ||
    (sslMode === 'require' && sslRootCert !== undefined);
  const verifiesHost = sslMode === 'verify-full' || (verifiesAuthority && !hasAuthority);
  return {
    rejectUnauthorized: verifiesAuthority,
    // The connection is made to an address, but the certificate must be valid for the host name.
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(verifiesHost ? {} : { checkServerIdentity: () => undefined }),
    ...(hasAuthority && verifiesAuthority ? { ca: await read('sslrootcert', sslRootCert) } : {}),
    ...(sslCert === undefined ? {} : { cert: await read('sslcert', sslCert) }),
    ...(sslKey === undefined ? {} : { key: await read('sslkey', sslKey) }),
    ...(sslPassword === undefined ? {} : { passphrase: sslPassword }),
  };
}

async function read(parameter: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const message = `DATABASE_URL: ${parameter} cannot be read: ${reasonOf(error)}`;
    throw new OrderonceError('SETTING_INVALID', message, { cause: error });
  }
}
