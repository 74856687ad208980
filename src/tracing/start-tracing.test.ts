import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';

/**
 * Prints each module of OpenTelemetry that is loaded, and then what the program says. prom-client
 * loads the API, which is no part of this, so only what anything else loads counts.
 */
const WATCH = `
  import { registerHooks } from 'node:module';
  registerHooks({
    load: (url, context, next) => {
      if (/@opentelemetry(?!.api)/.test(url)) console.log(url);
      return next(url, context);
    },
  });
`;
/** Loads everything that a service loads, and starts tracing as a service does. */
const PROGRAM = `
  import { createLogger } from '${import.meta.resolve('../runtime/logger.ts')}';
  import { readSettings } from '${import.meta.resolve('../settings/settings.ts')}';
  import '${import.meta.resolve('../commands/services.ts')}';
  import { startTracing } from '${import.meta.resolve('./start-tracing.ts')}';
  const tracing = await startTracing(readSettings(process.env), 'start', createLogger('info'));
  await tracing.stop();
  console.log('ended');
`;

const asUrl = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`;

async function run(env: Record<string, string>, without = ''): Promise<string> {
  const args = ['--import', asUrl(WATCH + without), '--input-type=module', '--eval', PROGRAM];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env });
  assert.match(stdout, /ended/);
  return stdout;
}

const ON = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' };

describe('startTracing', () => {
  it('loads nothing of OpenTelemetry unless a collector is set', async () => {
    assert.doesNotMatch(await run({}), /opentelemetry/);
    assert.match(await run(ON), /opentelemetry\/sdk-trace/);
  });

  it('warns and leaves tracing off where the packages are not installed', async () => {
    const without = `
      registerHooks({
        resolve: (specifier, context, next) => {
          if (specifier === '@opentelemetry/sdk-trace') throw new Error('Cannot find package');
          return next(specifier, context);
        },
      });
    `;
    assert.match(await run(ON, without), /Cannot find package.*Tracing is off/);
  });
});
