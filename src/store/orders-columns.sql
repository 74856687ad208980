-- Brings the table orders to its present form. Every "migrate" runs this, with the schema as
-- search_path, because the table may be created later than the migrations (ORDERS_PROJECTION). A
-- table of this name of another application is left alone.
DO $$
DECLARE
  place regclass := to_regclass(format('%I.orders', current_schema()));
BEGIN
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = place AND attname = 'last_log_offset')
     OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = place AND attname = 'amount_sums') THEN
    RETURN;
  END IF;
  -- total_amount: NULL if the last event has no amount. amount_sum adds up the amounts of events
  -- without a currency, amount_sums the others, by currency.
  ALTER TABLE orders ALTER COLUMN total_amount DROP NOT NULL, ADD COLUMN amount_sums jsonb;
END
$$;
