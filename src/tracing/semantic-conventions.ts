/**
 * The names of attributes, by OpenTelemetry's semantic conventions 1.45.0. Those for messaging are
 * still experimental there and may change, so no other file writes such a name.
 * https://opentelemetry.io/docs/specs/semconv/messaging/kafka/
 */
export const ATTRIBUTE = {
  httpMethod: 'http.request.method',
  httpRoute: 'http.route',
  httpStatus: 'http.response.status_code',
  errorType: 'error.type',
  messagingSystem: 'messaging.system.name',
  operationName: 'messaging.operation.name',
  operationType: 'messaging.operation.type',
  destination: 'messaging.destination.name',
  partition: 'messaging.destination.partition.id',
  group: 'messaging.consumer.group.name',
  count: 'messaging.batch.message_count',
  messageId: 'messaging.message.id',
  offset: 'kafka.offset',
  key: 'kafka.message.key',
  dbSystem: 'db.system.name',
  dbOperation: 'db.operation.name',
  dbNamespace: 'db.namespace',
  serviceName: 'service.name',
  serviceVersion: 'service.version',
  serviceInstance: 'service.instance.id',
  /** Ours: stored, duplicate, conflict, parked, waiting; of a redrive its result. */
  outcome: 'orderonce.outcome',
  /** Ours: the name of a handler. */
  handler: 'orderonce.handler',
} as const;
