/** The handlers that the settings name, with their limits: the same for consumer and redrive. */

import { loadHandlers } from '../handlers/load-handlers.ts';
import { orderProcessed } from '../handlers/order-processed.ts';
import type { HandlerSet } from '../handlers/run-handlers.ts';
import type { Settings } from '../settings/settings.ts';

/** @throws HANDLERS_INVALID */
export async function handlerSetOf(settings: Settings): Promise<HandlerSet> {
  const { HANDLERS_MODULE: path, ORDER_PROCESSED_TOPIC: topic } = settings;
  const ofTeam = path === undefined ? [] : await loadHandlers(path);
  const builtIn = topic === undefined ? [] : [orderProcessed(topic)];
  return {
    handlers: [...ofTeam, ...builtIn],
    timeoutMs: settings.HANDLER_TIMEOUT_MS,
    attemptsMax: settings.HANDLER_ATTEMPTS_MAX,
  };
}
