COMMENT ON SCHEMA depthcast IS 'What is stored. Readers use the views of schema history.';

CREATE TABLE depthcast.feeds (
  feed_id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  dataset text NOT NULL,
  shard text NOT NULL,
  UNIQUE (dataset, shard)
);

CREATE TABLE depthcast.instruments (
  instrument_id bigint NOT NULL,
  feed_id smallint NOT NULL REFERENCES depthcast.feeds,
  publisher_id integer,
  ts_recv bigint NOT NULL,
  ts_event bigint NOT NULL,
  raw_symbol text NOT NULL,
  asset text,
  exchange text,
  currency text,
  security_type text,
  instrument_class text,
  min_price_increment bigint,
  display_factor bigint,
  unit_of_measure_qty bigint,
  expiration bigint,
  PRIMARY KEY (feed_id, instrument_id)
);

CREATE TABLE depthcast.segments (
  feed_id smallint NOT NULL REFERENCES depthcast.feeds,
  epoch integer NOT NULL,
  position bigint NOT NULL,
  records bigint NOT NULL,
  until bigint NOT NULL,
  first_ts timestamptz,
  last_ts timestamptz,
  stored_bytes bigint NOT NULL,
  sha256 text NOT NULL,
  key text NOT NULL,
  trades bigint NOT NULL,
  bbo bigint NOT NULL,
  depth bigint NOT NULL,
  version text NOT NULL,
  compacted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (feed_id, epoch, position, records)
);

-- A record's instrument and ts do not change, so its rows are named once by a key that begins with them. That key
-- is the index for one instrument over time as well: a second one would take a third of the server's work.

CREATE TABLE depthcast.trades (
  ts timestamptz NOT NULL,
  position bigint NOT NULL,
  instrument_id bigint NOT NULL,
  ts_event bigint,
  ts_recv bigint,
  sequence bigint NOT NULL,
  order_id bigint NOT NULL,
  price bigint,
  size bigint,
  epoch integer NOT NULL,
  publisher_id integer NOT NULL,
  ts_in_delta integer NOT NULL,
  feed_id smallint NOT NULL,
  ordinal smallint NOT NULL,
  depth smallint NOT NULL,
  flags smallint NOT NULL,
  side "char" NOT NULL,
  PRIMARY KEY (instrument_id, ts, position, epoch, ordinal, feed_id)
) {partitioned};
CREATE INDEX trades_ts ON depthcast.trades USING brin (ts);

CREATE TABLE depthcast.bbo (
  ts timestamptz NOT NULL,
  position bigint NOT NULL,
  instrument_id bigint NOT NULL,
  ts_event bigint,
  ts_recv bigint,
  sequence bigint NOT NULL,
  price bigint,
  size bigint,
  bid_px bigint,
  ask_px bigint,
  bid_sz bigint NOT NULL,
  ask_sz bigint NOT NULL,
  bid_ct bigint NOT NULL,
  ask_ct bigint NOT NULL,
  epoch integer NOT NULL,
  publisher_id integer NOT NULL,
  ts_in_delta integer NOT NULL,
  feed_id smallint NOT NULL,
  ordinal smallint NOT NULL,
  depth smallint NOT NULL,
  flags smallint NOT NULL,
  action "char" NOT NULL,
  side "char" NOT NULL,
  PRIMARY KEY (instrument_id, ts, position, epoch, ordinal, feed_id)
) {partitioned};
CREATE INDEX bbo_ts ON depthcast.bbo USING brin (ts);

CREATE TABLE depthcast.depth (
  ts timestamptz NOT NULL,
  position bigint NOT NULL,
  instrument_id bigint NOT NULL,
  ts_event bigint,
  ts_recv bigint,
  sequence bigint NOT NULL,
  bid_px bigint,
  ask_px bigint,
  bid_sz bigint NOT NULL,
  ask_sz bigint NOT NULL,
  bid_ct bigint NOT NULL,
  ask_ct bigint NOT NULL,
  bid_sz_10 bigint NOT NULL,
  ask_sz_10 bigint NOT NULL,
  epoch integer NOT NULL,
  publisher_id integer NOT NULL,
  feed_id smallint NOT NULL,
  flags smallint NOT NULL,
  bid_pxs bigint[] NOT NULL,
  ask_pxs bigint[] NOT NULL,
  bid_szs bigint[] NOT NULL,
  ask_szs bigint[] NOT NULL,
  bid_cts bigint[] NOT NULL,
  ask_cts bigint[] NOT NULL,
  PRIMARY KEY (instrument_id, ts, publisher_id, feed_id)
) {partitioned};
CREATE INDEX depth_ts ON depthcast.depth USING brin (ts);

COMMENT ON TABLE depthcast.feeds IS 'The journals whose segments are here.';
COMMENT ON COLUMN depthcast.feeds.feed_id IS 'Their number in this database.';
COMMENT ON COLUMN depthcast.feeds.dataset IS 'The dataset, such as GLBX.MDP3.';
COMMENT ON COLUMN depthcast.feeds.shard IS 'The shard of its instruments.';

COMMENT ON TABLE depthcast.instruments IS
  'What is known of each instrument: its newest definition (by ts_recv, then ts_event), else its symbol alone.';
COMMENT ON COLUMN depthcast.instruments.instrument_id IS 'uint32.';
COMMENT ON COLUMN depthcast.instruments.feed_id IS 'Of which feed.';
COMMENT ON COLUMN depthcast.instruments.publisher_id IS 'uint16; of the definition; null without one.';
COMMENT ON COLUMN depthcast.instruments.ts_recv IS 'Of the definition, ns since the epoch; -1 without one, or if undefined.';
COMMENT ON COLUMN depthcast.instruments.ts_event IS 'Of the definition, ns since the epoch; -1 without one, or if undefined.';
COMMENT ON COLUMN depthcast.instruments.raw_symbol IS 'The venue''s symbol.';
COMMENT ON COLUMN depthcast.instruments.asset IS 'The underlying asset.';
COMMENT ON COLUMN depthcast.instruments.exchange IS 'The exchange''s code.';
COMMENT ON COLUMN depthcast.instruments.currency IS 'The currency of its prices.';
COMMENT ON COLUMN depthcast.instruments.security_type IS 'As the venue calls it.';
COMMENT ON COLUMN depthcast.instruments.instrument_class IS 'One letter, as DBN has it: F is a future.';
COMMENT ON COLUMN depthcast.instruments.min_price_increment IS 'The tick, in 1e-9; null if undefined.';
COMMENT ON COLUMN depthcast.instruments.display_factor IS 'Price times this is what is displayed, in 1e-9.';
COMMENT ON COLUMN depthcast.instruments.unit_of_measure_qty IS 'The contract''s size, in 1e-9; null if undefined.';
COMMENT ON COLUMN depthcast.instruments.expiration IS 'ns since the epoch; null if it has none.';

COMMENT ON TABLE depthcast.segments IS 'The ledger: the segments of the journal whose rows are here.';
COMMENT ON COLUMN depthcast.segments.feed_id IS 'Of which feed.';
COMMENT ON COLUMN depthcast.segments.epoch IS 'The number of the writer''s life.';
COMMENT ON COLUMN depthcast.segments.position IS 'Of its first record in the feed.';
COMMENT ON COLUMN depthcast.segments.records IS 'How many it has.';
COMMENT ON COLUMN depthcast.segments.until IS
  'Records from this position on do not count, for a newer epoch has them; else the position after the last one.';
COMMENT ON COLUMN depthcast.segments.first_ts IS 'The earliest ts of its rows; null if it has none.';
COMMENT ON COLUMN depthcast.segments.last_ts IS 'The latest ts of its rows; null if it has none.';
COMMENT ON COLUMN depthcast.segments.stored_bytes IS 'Of its file.';
COMMENT ON COLUMN depthcast.segments.sha256 IS 'Of its file, in hexadecimal.';
COMMENT ON COLUMN depthcast.segments.key IS 'Its key in the object store, or its path below the journal''s folder.';
COMMENT ON COLUMN depthcast.segments.trades IS 'Rows of trades that its records give.';
COMMENT ON COLUMN depthcast.segments.bbo IS 'Rows of bbo that its records give.';
COMMENT ON COLUMN depthcast.segments.depth IS 'Seconds of books in which its records give a row of depth; of a merged segment, the sum over its parts.';
COMMENT ON COLUMN depthcast.segments.version IS 'What compacted it.';
COMMENT ON COLUMN depthcast.segments.compacted_at IS 'When.';

COMMENT ON TABLE depthcast.trades IS 'Every trade: the records of schema trades.';
COMMENT ON COLUMN depthcast.trades.ts IS
  'ts_recv (else ts_event, else 1970) rounded down to the microsecond: what rows are found and partitioned by.';
COMMENT ON COLUMN depthcast.trades.position IS 'Of the MBO record in the feed.';
COMMENT ON COLUMN depthcast.trades.instrument_id IS 'uint32.';
COMMENT ON COLUMN depthcast.trades.ts_event IS 'ns since the epoch, the 64 bits of a uint64; null if undefined.';
COMMENT ON COLUMN depthcast.trades.ts_recv IS 'ns since the epoch, the 64 bits of a uint64; null if undefined.';
COMMENT ON COLUMN depthcast.trades.sequence IS 'uint32.';
COMMENT ON COLUMN depthcast.trades.order_id IS 'Of the MBO record, the 64 bits of a uint64; history.trades has the number.';
COMMENT ON COLUMN depthcast.trades.price IS 'In 1e-9; null if undefined.';
COMMENT ON COLUMN depthcast.trades.size IS 'uint32; null if undefined.';
COMMENT ON COLUMN depthcast.trades.epoch IS 'The number of the life of the writer that recorded it.';
COMMENT ON COLUMN depthcast.trades.publisher_id IS 'uint16.';
COMMENT ON COLUMN depthcast.trades.ts_in_delta IS 'ns.';
COMMENT ON COLUMN depthcast.trades.feed_id IS 'Of which feed.';
COMMENT ON COLUMN depthcast.trades.ordinal IS 'Numbers the rows of one MBO record, from 0.';
COMMENT ON COLUMN depthcast.trades.depth IS 'Levels strictly better than its price on the resting side.';
COMMENT ON COLUMN depthcast.trades.flags IS 'uint8.';
COMMENT ON COLUMN depthcast.trades.side IS 'Of the aggressor: A, B or N.';

COMMENT ON TABLE depthcast.bbo IS
  'Every trade and every change of the best bid and offer: the records of schema mbp-1.';
COMMENT ON COLUMN depthcast.bbo.ts IS
  'ts_recv (else ts_event, else 1970) rounded up to the microsecond, so that intervals (a, b] are told by it.';
COMMENT ON COLUMN depthcast.bbo.position IS 'Of the MBO record in the feed.';
COMMENT ON COLUMN depthcast.bbo.instrument_id IS 'uint32.';
COMMENT ON COLUMN depthcast.bbo.ts_event IS 'ns since the epoch, the 64 bits of a uint64; null if undefined.';
COMMENT ON COLUMN depthcast.bbo.ts_recv IS 'ns since the epoch, the 64 bits of a uint64; null if undefined.';
COMMENT ON COLUMN depthcast.bbo.sequence IS 'uint32.';
COMMENT ON COLUMN depthcast.bbo.price IS 'Of the trade or of the event''s last change, in 1e-9; null if undefined.';
COMMENT ON COLUMN depthcast.bbo.size IS 'Of the same, uint32; null if undefined.';
COMMENT ON COLUMN depthcast.bbo.bid_px IS 'The best bid, in 1e-9; null if there is none.';
COMMENT ON COLUMN depthcast.bbo.ask_px IS 'The best offer, in 1e-9; null if there is none.';
COMMENT ON COLUMN depthcast.bbo.bid_sz IS 'Its size, uint32.';
COMMENT ON COLUMN depthcast.bbo.ask_sz IS 'Its size, uint32.';
COMMENT ON COLUMN depthcast.bbo.bid_ct IS 'Orders there, uint32.';
COMMENT ON COLUMN depthcast.bbo.ask_ct IS 'Orders there, uint32.';
COMMENT ON COLUMN depthcast.bbo.epoch IS 'The number of the life of the writer that recorded it.';
COMMENT ON COLUMN depthcast.bbo.publisher_id IS 'uint16.';
COMMENT ON COLUMN depthcast.bbo.ts_in_delta IS 'ns.';
COMMENT ON COLUMN depthcast.bbo.feed_id IS 'Of which feed.';
COMMENT ON COLUMN depthcast.bbo.ordinal IS 'Numbers the rows of one MBO record, from 0.';
COMMENT ON COLUMN depthcast.bbo.depth IS 'Levels strictly better than price on the side that is touched.';
COMMENT ON COLUMN depthcast.bbo.flags IS 'uint8; with 4 the book is not known to be right.';
COMMENT ON COLUMN depthcast.bbo.action IS 'A, C, M, R or T.';
COMMENT ON COLUMN depthcast.bbo.side IS 'A, B or N.';

COMMENT ON TABLE depthcast.depth IS
  'Ten levels of each book at every full second in which they changed: the last mbp-10 record of each.';
COMMENT ON COLUMN depthcast.depth.ts IS 'The end of the second; a record at that very time belongs to it.';
COMMENT ON COLUMN depthcast.depth.position IS 'Of the MBO record that made the levels so, in the feed.';
COMMENT ON COLUMN depthcast.depth.instrument_id IS 'uint32.';
COMMENT ON COLUMN depthcast.depth.ts_event IS 'Of that record, ns, the 64 bits of a uint64; null if undefined.';
COMMENT ON COLUMN depthcast.depth.ts_recv IS 'Of that record, ns, the 64 bits of a uint64; null if undefined.';
COMMENT ON COLUMN depthcast.depth.sequence IS 'Of that record, uint32.';
COMMENT ON COLUMN depthcast.depth.bid_px IS 'The best bid, in 1e-9; null if there is none.';
COMMENT ON COLUMN depthcast.depth.ask_px IS 'The best offer, in 1e-9; null if there is none.';
COMMENT ON COLUMN depthcast.depth.bid_sz IS 'Its size, uint32.';
COMMENT ON COLUMN depthcast.depth.ask_sz IS 'Its size, uint32.';
COMMENT ON COLUMN depthcast.depth.bid_ct IS 'Orders there, uint32.';
COMMENT ON COLUMN depthcast.depth.ask_ct IS 'Orders there, uint32.';
COMMENT ON COLUMN depthcast.depth.bid_sz_10 IS 'The size of the ten best bids together.';
COMMENT ON COLUMN depthcast.depth.ask_sz_10 IS 'The size of the ten best offers together.';
COMMENT ON COLUMN depthcast.depth.epoch IS 'The number of the life of the writer that recorded it.';
COMMENT ON COLUMN depthcast.depth.publisher_id IS 'uint16.';
COMMENT ON COLUMN depthcast.depth.feed_id IS 'Of which feed.';
COMMENT ON COLUMN depthcast.depth.flags IS 'uint8; with 4 the book is not known to be right.';
COMMENT ON COLUMN depthcast.depth.bid_pxs IS 'Prices of the bids there are, up to ten, best first, in 1e-9.';
COMMENT ON COLUMN depthcast.depth.ask_pxs IS 'Prices of the offers there are, up to ten, best first, in 1e-9.';
COMMENT ON COLUMN depthcast.depth.bid_szs IS 'Their sizes.';
COMMENT ON COLUMN depthcast.depth.ask_szs IS 'Their sizes.';
COMMENT ON COLUMN depthcast.depth.bid_cts IS 'The orders at each.';
COMMENT ON COLUMN depthcast.depth.ask_cts IS 'The orders at each.';
