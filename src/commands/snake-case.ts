/**
 * The same value with names in snake_case, at every depth, as HTTP answers have them: `logId`
 * becomes `log_id`. Values stay as they are. Pure.
 */
export function snakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCase);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [snakeName(name), snakeCase(one)]),
  );
}

function snakeName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
