/** Identifies the handlers of this process and compares them with those of the deployment. */
import { createHash } from 'node:crypto';
import { OrderonceError } from '../errors.ts';
import type { Settings } from '../settings/settings.ts';
import type { DeployedHandlers, HandlersIdentity } from '../store/deployment-handlers.ts';
import type { Handler } from './handler.ts';
import { digestOfModule } from './module-digest.ts';
import { fileOfModule } from './team-module.ts';

/**
 * @param handlers the handlers that these settings name.
 * @throws if HANDLERS_MODULE cannot be read.
 */
export async function identityOf(
  settings: Settings,
  handlers: readonly Handler[],
): Promise<HandlersIdentity> {
  const {
    HANDLERS_MODULE: module,
    EVENTS_MODULE,
    DECODE_MODULE,
    ORDER_PROCESSED_TOPIC,
    ORDERS_PROJECTION,
  } = settings;
  const code = module === undefined ? null : await digestOfModule(fileOfModule(module));
  const names = handlers.map(({ name }) => name);
  const parts = [code, names, ORDER_PROCESSED_TOPIC ?? null, ORDERS_PROJECTION];
  // Left out where there is none, so that such a deployment keeps the digest that it recorded.
  if (EVENTS_MODULE !== undefined) parts.push(await digestOfModule(fileOfModule(EVENTS_MODULE)));
  if (DECODE_MODULE !== undefined) {
    parts.push('decode', await digestOfModule(fileOfModule(DECODE_MODULE)));
  }
  const all = JSON.stringify(parts);
  return {
    handlers: handlers.map(({ name, check }) => ({ name, hasCheck: check !== undefined })),
    digest: createHash('sha256').update(all).digest('hex'),
    module: module ?? null,
  };
}

/**
 * @throws HANDLERS_DIFFER if a redrive in this process could have another effect than in a consumer
 * of the deployment, or if no consumer has recorded its handlers yet.
 */
export function assertSameHandlers(
  here: HandlersIdentity,
  deployed: DeployedHandlers | null,
): void {
  if (deployed === null) {
    const message =
      'No consumer of this release has started on this database yet, so it is not known which handlers the deployment runs. Start one first';
    throw new OrderonceError('HANDLERS_DIFFER', message);
  }
  if (here.digest === deployed.digest) return;
  const { owner, startedAt } = deployed;
  throw new OrderonceError(
    'HANDLERS_DIFFER',
    `The deployment runs ${nameOf(deployed)} (consumer ${owner}, started ${startedAt}); ` +
      `this process has ${nameOf(here)}. Nothing was changed. Start a consumer, which redrives with its ` +
      'own handlers, or set HANDLERS_MODULE, EVENTS_MODULE, DECODE_MODULE, ORDER_PROCESSED_TOPIC and ORDERS_PROJECTION as for the consumers',
  );
}

/** Describes handlers in words: names, module, and the first 12 digits of the digest. */
export function nameOf({ handlers, module, digest }: HandlersIdentity): string {
  const names = handlers.map(({ name }) => name).join(', ');
  const what = names === '' ? 'no handlers' : `the handlers ${names}`;
  return `${what}${module === null ? '' : ` of ${module}`} [${digest.slice(0, 12)}]`;
}
