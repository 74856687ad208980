/** A query about rows. Its SQL selects `id` and `message` for each contradiction. */
export type Question = {
  readonly kind: string;
  readonly sql: string;
};
