/** TLS and SASL towards Kafka, from the settings. */
import { readFileSync } from 'node:fs';
import type { BaseOptions } from '@platformatic/kafka';
import { OrderonceError } from '../errors.ts';
import { readSettingFile } from '../runtime/tls.ts';
import type { Settings } from '../settings/settings.ts';

/** For every connection to a broker, those of fetches too. */
export type KafkaSecurity = Pick<BaseOptions, 'tls' | 'tlsServerName' | 'sasl'>;

/** @throws SETTING_INVALID where settings do not go together. */
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
    throw new OrderonceError('SETTING_INVALID', 'KAFKA_TLS_*_FILE is set, but KAFKA_TLS is off');
  }
  if ((files.cert === undefined) !== (files.key === undefined)) {
    const message = 'KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE go together';
    throw new OrderonceError('SETTING_INVALID', message);
  }
  // Names are checked: a certificate of the right CA for another host is refused.
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
    throw new OrderonceError('SETTING_INVALID', 'KAFKA_SASL_* is set, but no KAFKA_SASL_MECHANISM');
  }
  if (mechanism === 'OAUTHBEARER') {
    if (tokenFile === undefined) throw lacks('KAFKA_SASL_TOKEN_FILE');
    readSettingFile('KAFKA_SASL_TOKEN_FILE', tokenFile);
    // For each connection anew: whoever hands out tokens replaces the file before one runs out.
    return { sasl: { mechanism, token: () => readFileSync(tokenFile, 'utf8').trim() } };
  }
  if (username === undefined || password === undefined) {
    throw lacks('KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD');
  }
  return { sasl: { mechanism, username, password } };
}
