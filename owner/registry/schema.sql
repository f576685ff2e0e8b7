-- Facts folded from the chain. A body is the JSON of the row's Go type.
CREATE TABLE IF NOT EXISTS facts (
  kind TEXT NOT NULL,
  key  TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (kind, key)
);
-- The blocks that have been folded. The highest one is the cursor.
CREATE TABLE IF NOT EXISTS blocks (
  number BIGINT PRIMARY KEY,
  hash   TEXT NOT NULL,
  parent TEXT NOT NULL,
  time   BIGINT NOT NULL
);
-- What each fact was before a block changed it; body is NULL where it was not.
CREATE TABLE IF NOT EXISTS undo (
  number BIGINT NOT NULL,
  kind   TEXT NOT NULL,
  key    TEXT NOT NULL,
  body   TEXT,
  PRIMARY KEY (number, kind, key)
);
-- Chain id and contract addresses that the facts belong to, the hash of block 0
-- of that chain, and the highest time that a decision was taken at.
CREATE TABLE IF NOT EXISTS meta (
  name TEXT PRIMARY KEY,
  body TEXT NOT NULL
);
-- Weekly earnings: facts too, but so many that they are read from here.
CREATE TABLE IF NOT EXISTS earnings (
  key      TEXT PRIMARY KEY,
  week     BIGINT NOT NULL,
  vehicle  BIGINT NOT NULL,
  receiver TEXT NOT NULL,
  device   BIGINT NOT NULL, -- 0 where no device has a part
  body     TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS earnings_vehicle ON earnings (vehicle, week, receiver);
CREATE INDEX IF NOT EXISTS earnings_receiver ON earnings (receiver, week, vehicle);
CREATE INDEX IF NOT EXISTS earnings_device ON earnings (device, week, vehicle, receiver) WHERE device > 0;
