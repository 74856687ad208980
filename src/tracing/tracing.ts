/**
 * What the parts of a service call to have their work traced. Tracing is off unless
 * startTracing() has installed a recorder; each function then only does the work, and nothing of
 * OpenTelemetry is loaded. The trace context of a client is carried on in either case.
 *
 * A process has one recorder, as it has one exporter and one sampling decision. It is therefore
 * ambient, and no function has a parameter for it.
 */
import type { IncomingMessage } from 'node:http';
import type { AppendOutcome, AppendRecord, Header, LogRecord, LogSlice } from '../log/event-log.ts';
import { contextOfRequest, traceHeaders } from '../log/trace-context.ts';
import type { HttpServer } from '../runtime/http-server.ts';

/** What became of the events of one request. */
export type SendResult = {
  /** The error code, or the answer if there is none; absent if all were accepted. */
  readonly errorType?: string | undefined;
  /** How many events the request had; absent for a request with one. */
  readonly count?: number;
  /** Of a single event that was accepted. */
  readonly eventId?: string;
  readonly partition?: number;
  readonly offset?: number;
};

/** The way of one request from its validation to the answer of the log. */
export type Send = {
  /** Headers for its records, so that those who read them continue the trace. */
  readonly trace: readonly Header[];
  /** To be called once, when the outcome is known. */
  readonly end: (result: SendResult) => void;
};

/** What a transaction did with its records; part of what settling returns. */
export type BatchResult = {
  readonly duplicates: readonly { readonly event: { readonly record: LogRecord } }[];
  readonly conflicts: readonly { readonly event: { readonly record: LogRecord } }[];
  readonly deadLetters: readonly {
    readonly record: LogRecord;
    readonly state: 'parked' | 'waiting';
  }[];
  /** Records from this offset on were not settled. Absent if all were. */
  readonly next?: number;
};

/** Steps of a transaction that get a span of their own. */
export type Phase = 'fence' | 'settle' | 'commit';

/** Records spans. Each function does the work that it is given, and passes on its result. */
export type Recorder = {
  readonly traceRequests: (app: HttpServer) => void;
  readonly beginSend: (request: IncomingMessage, topic: string) => Send;
  readonly append: <T>(
    topic: string,
    records: readonly AppendRecord[],
    work: () => Promise<T>,
  ) => Promise<T>;
  readonly publish: (
    topic: string,
    records: readonly AppendRecord[],
    append: (records: readonly AppendRecord[]) => Promise<AppendOutcome[]>,
  ) => Promise<AppendOutcome[]>;
  readonly process: <T extends BatchResult>(
    topic: string,
    slices: readonly LogSlice[],
    work: () => Promise<T>,
  ) => Promise<T>;
  readonly phase: <T>(name: Phase, work: () => Promise<T>) => Promise<T>;
  readonly handler: <T>(name: string, work: () => Promise<T>) => Promise<T>;
  readonly redrive: <T extends { readonly outcome: string }>(
    record: LogRecord,
    work: () => Promise<T>,
  ) => Promise<T>;
};

let recorder: Recorder | null = null;

/** Turns tracing on for this process, or off with null. */
export function setRecorder(next: Recorder | null): void {
  recorder = next;
}

/** Has the requests of a server traced that send events to it. Call it before routes are added. */
export function traceRequests(app: HttpServer): void {
  recorder?.traceRequests(app);
}

/** Begins the way of a request to the log; see Send. */
export function beginSend(request: IncomingMessage, topic: string): Send {
  if (recorder !== null) return recorder.beginSend(request, topic);
  const context = contextOfRequest(request.headers);
  return context === null ? UNTRACED : { trace: traceHeaders(context), end: ignore };
}

const ignore = () => {};
const UNTRACED: Send = { trace: [], end: ignore };

/** One append to the log of records that requests brought. */
export function inAppend<T>(
  topic: string,
  records: readonly AppendRecord[],
  work: () => Promise<T>,
): Promise<T> {
  return recorder === null ? work() : recorder.append(topic, records, work);
}

/** One append of messages of the outbox. `append` gets the records with the context to pass on. */
export function inPublish(
  topic: string,
  records: readonly AppendRecord[],
  append: (records: readonly AppendRecord[]) => Promise<AppendOutcome[]>,
): Promise<AppendOutcome[]> {
  return recorder === null ? append(records) : recorder.publish(topic, records, append);
}

/** One attempt to process slices. After it has succeeded, the outcome of each record is recorded. */
export function inProcess<T extends BatchResult>(
  topic: string,
  slices: readonly LogSlice[],
  work: () => Promise<T>,
): Promise<T> {
  return recorder === null ? work() : recorder.process(topic, slices, work);
}

/** A step within inProcess(). */
export function inPhase<T>(name: Phase, work: () => Promise<T>): Promise<T> {
  return recorder === null ? work() : recorder.phase(name, work);
}

/** The run of a handler within inProcess() or inRedrive(). Its own instrumentation nests here. */
export function inHandler<T>(name: string, work: () => Promise<T>): Promise<T> {
  return recorder === null ? work() : recorder.handler(name, work);
}

/** The redrive of one dead letter. */
export function inRedrive<T extends { readonly outcome: string }>(
  record: LogRecord,
  work: () => Promise<T>,
): Promise<T> {
  return recorder === null ? work() : recorder.redrive(record, work);
}
