/** One line of the doctor's report. */
export type Finding = {
  readonly area: 'kafka' | 'postgresql' | 'services' | 'this machine';
  readonly check: string;
  /**
   * `fail`: events can be lost, or nothing works; `warn`: fit for development, or worth a look.
   */
  readonly verdict: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** What to do about it; only where it is not ok. */
  readonly remedy?: string;
};

export type Judge = {
  ok(check: string, found: string): Finding;
  warn(check: string, found: string, remedy: string): Finding;
  fail(check: string, found: string, remedy: string): Finding;
};

export function judgeOf(area: Finding['area']): Judge {
  return {
    ok: (check, found) => ({ area, check, verdict: 'ok', found }),
    warn: (check, found, remedy) => ({ area, check, verdict: 'warn', found, remedy }),
    fail: (check, found, remedy) => ({ area, check, verdict: 'fail', found, remedy }),
  };
}
