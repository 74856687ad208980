/** What an event is in a deployment, and what is kept of it beside the event itself. */
import { UNDECLARED } from '../event/event-rules.ts';
import type { RecordRules } from '../log/decode-hook.ts';
import { ORDERS, type Projection } from './orders-projection.ts';

export type EventModel = {
  readonly rules: RecordRules;
  /** null: the table `orders` is not kept (ORDERS_PROJECTION=off). */
  readonly projection: Projection | null;
};

/** The model of a deployment that declares nothing. */
export const USUAL_MODEL: EventModel = { rules: UNDECLARED, projection: ORDERS };
