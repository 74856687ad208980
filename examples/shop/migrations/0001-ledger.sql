-- Money in and out: one row for each payment and refund, and the balance of each currency.
CREATE TABLE ledger (
  event_id uuid PRIMARY KEY,
  order_id uuid NOT NULL,
  currency text NOT NULL,
  amount numeric(18, 4) NOT NULL
);
CREATE TABLE ledger_balances (
  currency text PRIMARY KEY,
  balance numeric NOT NULL
);
