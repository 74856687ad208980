/** A declaration of events that has text ids and no types. */
import { defineEvents } from '../../src/handlers/define-events.ts';

export default defineEvents({}, { ids: { event: 'stripe', order: 'shopify' } });
