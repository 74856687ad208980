import type { HandledEvent, Handler, HandlerTransaction } from '../handlers/handler.ts';

/** A statement that failed. */
type Failed = { readonly text: string; readonly values: readonly unknown[] };

/**
 * The same handlers, watched for SQL errors that they catch outside a savepoint and then return as
 * if nothing had happened. The transaction is lost then, whatever they do.
 * @param report is called with one sentence.
 */
export function watched(
  handlers: readonly Handler[],
  report: (finding: string) => void,
): Handler[] {
  return handlers.map((handler) => {
    const check = handler.check?.bind(handler);
    return {
      name: handler.name,
      ...(handler.on === undefined ? {} : { on: handler.on }),
      handle: async (events, tx) => {
        const failed: Failed[] = [];
        await handler.handle(events, noting(tx, failed));
        const [first] = failed;
        if (first === undefined) return;
        report(
          `Handler "${handler.name}" caught the error of a statement and returned: ${shown(first.text)}${eventOf(first, events)}`,
        );
      },
      ...(check === undefined ? {} : { check }),
    };
  });
}

/** Notes the statements that failed, without those that a savepoint has undone. */
function noting(tx: HandlerTransaction, failed: Failed[]): HandlerTransaction {
  return {
    emit: tx.emit,
    query: (text, values = []) => {
      const result = tx.query(text, values);
      // The handler gets the same promise: whether it waits for it is its own affair.
      result.catch(() => void failed.push({ text, values }));
      return result;
    },
    savepoint: (work) => {
      const before = failed.length;
      const result = tx.savepoint(work);
      result.catch(() => {
        failed.length = before;
      });
      return result;
    },
  };
}

/** The event that the statement is about, where its values or the batch tell. */
function eventOf({ values }: Failed, events: readonly HandledEvent[]): string {
  const texts = values.flat().map(String);
  const event = events.find(({ eventId }) => events.length === 1 || texts.includes(eventId));
  return event === undefined ? '' : ` for event ${event.eventId}`;
}

function shown(text: string): string {
  const line = String(text).trim().replaceAll(/\s+/g, ' ');
  return line.length > 100 ? `${line.slice(0, 100)}…` : line;
}
