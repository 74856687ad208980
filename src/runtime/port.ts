import { createServer, type Server } from 'node:net';
import { OrderonceError } from '../errors.ts';
import type { Settings } from '../settings/settings.ts';
import { holderOf } from './port-holder.ts';

/** Where to listen, and the setting that chooses the port. */
export type ListenPlace = {
  readonly host: string;
  readonly port: number;
  readonly setting: string;
  readonly scheme: 'http' | 'https';
};

export function producerPlace(settings: Settings): ListenPlace {
  return listenPlaceOf(settings, 'PRODUCER_PORT');
}

export function consumerPlace(settings: Settings): ListenPlace {
  return listenPlaceOf(settings, 'CONSUMER_PORT');
}

function listenPlaceOf(
  settings: Settings,
  setting: 'PRODUCER_PORT' | 'CONSUMER_PORT',
): ListenPlace {
  const { HOST: host, TLS_CERT_FILE, [setting]: port } = settings;
  return { host, port, setting, scheme: TLS_CERT_FILE === undefined ? 'http' : 'https' };
}

/** The base URL of a service for a client on this machine. */
export function baseUrlOf({ scheme, host, port }: Omit<ListenPlace, 'setting'>): string {
  const isWildcard = host === '0.0.0.0' || host === '::';
  if (isWildcard) return `${scheme}://localhost:${port}`;
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * Checks the port before anything slow is started. Another process may still take the port before
 * listen(), which then throws the same error.
 * @throws PORT_TAKEN, SETTING_INVALID; see portError.
 */
export async function assertPortFree(place: ListenPlace): Promise<void> {
  const server = createServer();
  try {
    await listening(server, place);
  } catch (error) {
    throw portError(error, place);
  } finally {
    await new Promise((done) => server.close(done));
  }
}

function listening(server: Server, { host, port }: ListenPlace): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
}

const NO_ADDRESS = ['ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL'];

/**
 * Translates an error of listen(): PORT_TAKEN with the process that has the port, SETTING_INVALID
 * for a wrong HOST. Returns any other error unchanged.
 */
export function portError(error: unknown, { host, port, setting }: ListenPlace): unknown {
  const { code = '' } = error as { code?: string };
  if (NO_ADDRESS.includes(code)) {
    const message =
      `HOST is "${host}", which is no address of this machine. Some shells and conda set HOST to ` +
      'another name: start with "--host 127.0.0.1", or with 0.0.0.0 to be reachable from outside';
    return new OrderonceError('SETTING_INVALID', message);
  }
  if (code === 'EACCES') {
    const message = `This user may not listen on port ${port}. Use a port above 1023: ${setting}=8010`;
    return new OrderonceError('PORT_TAKEN', message);
  }
  if (code !== 'EADDRINUSE') return error;
  const holder = holderOf(port);
  const who = holder === null ? `another process (see "lsof -i :${port}")` : holder;
  return new OrderonceError(
    'PORT_TAKEN',
    `Port ${port} is taken by ${who}. Stop it, or use another port: ${setting}=${port + 10} npm start`,
  );
}
