/** A long-lived part of a process. It runs from its creation. */
export type Service = {
  /**
   * Stops accepting new work, finishes what is running, and frees its resources. Each part
   * documents a deadline, and keeps it even if a dependency hangs. A second call has no effect.
   */
  stop(): Promise<void>;
};
