-- Each order reserves one unit at its first event. The CHECK keeps stock from going below zero.
CREATE TABLE IF NOT EXISTS stock (
  id integer PRIMARY KEY CHECK (id = 1),
  units integer NOT NULL CHECK (units >= 0)
);
CREATE TABLE IF NOT EXISTS stock_reservations (
  order_id uuid PRIMARY KEY,
  event_id uuid NOT NULL,
  reserved_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO stock (id, units) VALUES (1, 100) ON CONFLICT DO NOTHING;
