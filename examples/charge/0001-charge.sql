-- The ledger has one row for each event; the balance of a user is the sum of the user's rows.
CREATE TABLE IF NOT EXISTS charge_ledger (
  event_id uuid PRIMARY KEY,
  user_id text NOT NULL,
  amount numeric(18, 4) NOT NULL,
  charged_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS charge_balances (
  user_id text PRIMARY KEY,
  charged numeric NOT NULL,
  is_blocked boolean NOT NULL DEFAULT false
);
