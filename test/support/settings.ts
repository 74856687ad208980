import { readSettings, type Settings } from '../../src/settings/settings.ts';

/** Default settings, but with ports that the system chooses. */
export function testSettings(env: Record<string, string> = {}): Settings {
  return readSettings({ PRODUCER_PORT: '0', CONSUMER_PORT: '0', LOG_LEVEL: 'silent', ...env });
}
