/** A handler that refuses some users until it is fixed, so that the console has dead letters to show. */
import { type Handler, TerminalError } from 'orderonce/handlers';

/** Shared with whoever imports this module in the process of the consumer. */
export const state = { isFixed: false };

export const handlers: Handler[] = [
  {
    name: 'charge',
    handle: async (events) => {
      if (state.isFixed) return;
      for (const { userId, orderId } of events) {
        if (userId.startsWith('blocked')) throw new TerminalError(`User ${userId} is blocked`);
        if (userId === 'no-card') throw new TerminalError(`Order ${orderId} has no valid card`);
      }
    },
  },
];
