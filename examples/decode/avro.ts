/**
 * Decodes Avro as Confluent's serializers frame it: a zero byte, the id of the writer's schema in 4
 * bytes, and the event in Avro's binary form. The schemas are files, schemas/ID.avsc, so no registry
 * has to be reached while records are processed. A record of another schema is parked, and can be
 * redriven once its file is here.
 *
 *   npm install avsc
 *   KAFKA_TOPICS=shop.orders DECODE_MODULE=examples/decode/avro.ts npm start
 */
import { readdirSync, readFileSync } from 'node:fs';
import avro from 'avsc';
import type { Decode } from 'orderonce/events';

const FRAME_BYTES = 5;

/** A decimal as exact text. Avro has it as an unscaled big-endian integer in two's complement. */
class DecimalText extends avro.types.LogicalType {
  readonly #scale: number;

  constructor(schema: avro.Schema, options?: object) {
    super(schema, options);
    this.#scale = (schema as { scale?: number }).scale ?? 0;
  }

  protected override _fromValue(bytes: Buffer): string {
    const unscaled = BigInt.asIntN(bytes.length * 8, BigInt(`0x0${bytes.toString('hex')}`));
    const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(this.#scale + 1, '0');
    const point = digits.length - this.#scale;
    const sign = unscaled < 0n ? '-' : '';
    return `${sign}${digits.slice(0, point)}${this.#scale === 0 ? '' : `.${digits.slice(point)}`}`;
  }

  protected override _toValue(): never {
    throw new Error('This example only reads');
  }
}

/** Microseconds since 1970 as text. */
class TimestampMicros extends avro.types.LogicalType {
  protected override _fromValue(micros: number): string {
    const [seconds, rest] = [Math.floor(micros / 1e6), ((micros % 1e6) + 1e6) % 1e6];
    const whole = new Date(seconds * 1000).toISOString().slice(0, -'.000Z'.length);
    return `${whole}.${String(rest).padStart(6, '0')}Z`;
  }

  protected override _toValue(): never {
    throw new Error('This example only reads');
  }
}

// Read once, at the start, so that decoding depends on the record alone.
const schemas = new URL('./schemas/', import.meta.url);
const types = new Map(
  readdirSync(schemas)
    .filter((file) => file.endsWith('.avsc'))
    .map((file) => [Number(file.slice(0, -'.avsc'.length)), typeOf(file)]),
);

function typeOf(file: string): avro.Type {
  const schema = JSON.parse(readFileSync(new URL(file, schemas), 'utf8'));
  const logicalTypes = { decimal: DecimalText, 'timestamp-micros': TimestampMicros };
  return avro.Type.forSchema(schema, { logicalTypes });
}

export const decode: Decode = ({ value }) => {
  if (value === null) return null;
  if (value[0] !== 0 || value.length < FRAME_BYTES) {
    throw new Error('The value does not begin with the frame of a schema registry');
  }
  const id = value.readUInt32BE(1);
  const type = types.get(id);
  if (type === undefined) throw new Error(`There is no file schemas/${id}.avsc`);
  // The schema has the fields of the event. Another one would be mapped here.
  return { ...type.fromBuffer(value.subarray(FRAME_BYTES)) };
};
