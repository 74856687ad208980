/** TLS and SASL for connections to Kafka, from the settings. */
import { readFileSync } from 'node:fs';
import type { BaseOptions } from '@platformatic/kafka';
import { OrderonceError } from '../errors.ts';
import { readSettingFile } from '../runtime/tls.ts';
import type { Settings } from '../settings/settings.ts';

/** Options of the client library for every connection to a broker. */
export type KafkaSecurity = Pick<BaseOptions, 'tls' | 'tlsServerName' | 'sasl'>;

/** @throws SETTING_INVALID if settings contradict each other, or a file cannot be read. */
export function kafkaSecurityOf(settings: Settings): KafkaSecurity {
  return { ...tlsOf(settings), ...saslOf(settings) };
}

function tlsOf(settings: Settings): KafkaSecurity {
  const files = {
    ca: readIfSet(settings, 'KAFKA_TLS_CA_FILE'),
    cert: readIfSet(settings, 'KAFKA_TLS_CERT_FILE'),
    key: readIfSet(settings, 'KAFKA_TLS_KEY_FILE'),
  };
  const given = Object.fromEntries(Object.entries(files).filter(([, file]) => file !== undefined));
  if (settings.KAFKA_TLS === 'off') {
    if (Object.keys(given).length === 0) return {};
    const message = 'KAFKA_TLS_*_FILE is set, but KAFKA_TLS is off: set KAFKA_TLS=on, or unset it';
    throw new OrderonceError('SETTING_INVALID', message);
  }
  if ((files.cert === undefined) !== (files.key === undefined)) {
    const message =
      'Only one of KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE is set: set both or neither';
    throw new OrderonceError('SETTING_INVALID', message);
  }
  // tlsServerName also checks the host name, so a certificate for another host is refused.
  return { tls: { ...given, minVersion: 'TLSv1.2' }, tlsServerName: true };
}

function readIfSet(
  settings: Settings,
  name: 'KAFKA_TLS_CA_FILE' | 'KAFKA_TLS_CERT_FILE' | 'KAFKA_TLS_KEY_FILE',
): Buffer | undefined {
  const path = settings[name];
  return path === undefined ? undefined : readSettingFile(name, path);
}

function saslOf(settings: Settings): KafkaSecurity {
  const {
    KAFKA_SASL_MECHANISM: mechanism,
    KAFKA_SASL_USERNAME: username,
    KAFKA_SASL_PASSWORD: password,
    KAFKA_SASL_TOKEN_FILE: tokenFile,
  } = settings;
  const lacks = (what: string) =>
    new OrderonceError('SETTING_INVALID', `KAFKA_SASL_MECHANISM ${mechanism} needs ${what}`);
  if (mechanism === 'none') {
    if (username === undefined && password === undefined && tokenFile === undefined) return {};
    const message = 'KAFKA_SASL_* is set, but KAFKA_SASL_MECHANISM is none: set a mechanism';
    throw new OrderonceError('SETTING_INVALID', message);
  }
  if (mechanism === 'OAUTHBEARER') {
    if (tokenFile === undefined) throw lacks('KAFKA_SASL_TOKEN_FILE');
    readSettingFile('KAFKA_SASL_TOKEN_FILE', tokenFile);
    // Read for each connection, because the file is replaced before its token expires.
    return { sasl: { mechanism, token: () => readFileSync(tokenFile, 'utf8').trim() } };
  }
  if (username === undefined || password === undefined) {
    throw lacks('KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD');
  }
  return { sasl: { mechanism, username, password } };
}
