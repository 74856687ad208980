/** @returns the rows as aligned columns under a header. Columns of numbers are right-aligned. */
export function tableOf(
  header: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const widths = header.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => String(row[column]).length)),
  );
  const lineOf = (cells: readonly (string | number)[]) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        const isNumber = rows.every((row) => typeof row[column] === 'number');
        return isNumber ? String(cell).padStart(width) : String(cell).padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [header, ...rows].map(lineOf).join('\n');
}
