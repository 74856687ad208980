/** Settings that several commands of the table read together. */
export const DATABASE = ['DATABASE_*', 'ORDERONCE_DATA_DIR'] as const;
export const LOG = ['KAFKA_*', ...DATABASE] as const;
export const EVENTS = ['EVENTS_MODULE', 'EVENT_BYTES_MAX', 'DECODE_MODULE'] as const;
/** What takes effect with an event. */
export const HANDLERS = [
  ...['HANDLERS_MODULE', 'HANDLER_TIMEOUT_MS', 'HANDLER_BLOCK_MS'],
  ...['ORDERS_PROJECTION', 'ORDER_PROCESSED_TOPIC'],
] as const;
/** Where a consumer is asked, and with what key. */
export const CONSUMER = ['HOST', 'CONSUMER_PORT', 'TLS_CERT_FILE', 'API_KEY'] as const;
