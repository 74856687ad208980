-- What the warehouse has. The CHECK refuses an order for more than is left.
CREATE TABLE stock (
  sku text PRIMARY KEY,
  delivered integer NOT NULL,
  reserved integer NOT NULL DEFAULT 0,
  shipped integer NOT NULL DEFAULT 0,
  CHECK (reserved >= 0 AND shipped >= 0 AND reserved + shipped <= delivered)
);
-- What each event has changed. The columns of stock are the sums of these.
CREATE TABLE stock_moves (
  event_id uuid NOT NULL,
  sku text NOT NULL REFERENCES stock,
  order_id uuid NOT NULL,
  reserved integer NOT NULL,
  shipped integer NOT NULL,
  PRIMARY KEY (event_id, sku)
);
CREATE INDEX stock_moves_order ON stock_moves (order_id);

INSERT INTO stock (sku, delivered) VALUES ('cup-blue', 100), ('cup-red', 100), ('pot', 20);
