/** One check of `orderonce doctor` and its result. */
export type Finding = {
  readonly area: 'kafka' | 'postgresql' | 'services' | 'this machine';
  readonly check: string;
  /**
   * `fail`: events can be lost, or nothing works. `warn`: good enough for development, or should be
   * looked at.
   */
  readonly verdict: 'ok' | 'warn' | 'fail';
  /** The actual state, such as `min.insync.replicas=1, 1 of 3 in sync`. */
  readonly found: string;
  /** What to do, and why. Absent if the verdict is `ok`. */
  readonly remedy?: string;
};

/** Makes findings of one area. */
export type Judge = {
  ok(check: string, found: string): Finding;
  warn(check: string, found: string, remedy: string): Finding;
  fail(check: string, found: string, remedy: string): Finding;
};

/** @returns a maker of findings for this area. */
export function judgeOf(area: Finding['area']): Judge {
  return {
    ok: (check, found) => ({ area, check, verdict: 'ok', found }),
    warn: (check, found, remedy) => ({ area, check, verdict: 'warn', found, remedy }),
    fail: (check, found, remedy) => ({ area, check, verdict: 'fail', found, remedy }),
  };
}
