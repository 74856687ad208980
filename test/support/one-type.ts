/** A declaration of one type, beside events without a type; for EVENTS_MODULE. */
import { defineEvents } from 'orderonce/events';

export default defineEvents({ 'order.placed': { data: { type: 'object' } } });
