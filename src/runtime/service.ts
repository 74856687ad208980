/** A long-lived part. It runs from the moment it exists. */
export type Service = {
  /**
   * Finishes what is under way, takes nothing new, frees what it holds. Within the deadline that
   * the part documents, even when a dependency hangs. A second call does nothing.
   */
  stop(): Promise<void>;
};
