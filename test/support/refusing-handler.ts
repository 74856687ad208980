/** A handler that refuses the events of one user, so that a service has dead letters. */
import { type Handler, TerminalError } from 'orderonce/handlers';

export const handlers: Handler[] = [
  {
    name: 'refuse',
    handle: async (events) => {
      const refused = events.find(({ userId }) => userId === 'refused');
      if (refused !== undefined) throw new TerminalError(`User ${refused.userId} is refused`);
    },
  },
];
