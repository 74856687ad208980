import pg from 'pg';

/** The driver's conversion of parameters, which its types do not declare. */
const { prepareValue } = (pg as unknown as { utils: { prepareValue(value: unknown): unknown } })
  .utils;

/**
 * Converts parameters as the driver does, but now. The driver converts them when it sends the
 * statement, and by then the caller may have changed an array, an object or a Buffer among them.
 * @throws whatever the conversion throws, for example for a BigInt in JSON.
 */
export function settledParameters(values: readonly unknown[]): unknown[] {
  return values.map((value) => {
    const settled = prepareValue(value);
    return Buffer.isBuffer(settled) ? Buffer.from(settled) : settled;
  });
}
