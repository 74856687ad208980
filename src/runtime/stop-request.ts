const PARENT_CHECK_MS = 500;

/**
 * Calls the listener each time the process is asked to stop: by SIGINT, by SIGTERM, or by the end
 * of npm. npm forwards a signal only to the shell that it started, which ends without forwarding it
 * and would leave this process running. So under npm, the end of the parent is a request to stop.
 */
export function onStopRequest(listener: (request: string) => void): void {
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => listener(name));
  const { ppid } = process;
  if (process.env.npm_lifecycle_event === undefined || process.platform === 'win32') return;
  const timer = setInterval(() => {
    if (process.ppid === ppid) return;
    clearInterval(timer);
    listener('end of npm');
  }, PARENT_CHECK_MS);
  timer.unref();
}
