const PARENT_CHECK_MS = 500;

/**
 * Calls the listener each time the process is asked to stop: by SIGINT, SIGTERM, or the end of npm.
 * npm passes a signal on only as far as the shell between us, which dies of it and leaves us
 * running, unseen: so under npm the end of our parent means the same.
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
