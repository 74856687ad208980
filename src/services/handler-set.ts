/** The handlers in the settings and their limits. Consumer and redrive use the same set. */

import { loadHandlers } from '../handlers/load-handlers.ts';
import { orderProcessed } from '../handlers/order-processed.ts';
import type { HandlerSet } from '../handlers/run-handlers.ts';
import type { Settings } from '../settings/settings.ts';

/**
 * Loads the team's handlers from HANDLERS_MODULE, and adds the built-in one if
 * ORDER_PROCESSED_TOPIC is set. @throws HANDLERS_INVALID
 */
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
