-- Rollups are tables without TimescaleDB, and views of continuous aggregates with it; their columns are the same.

DO $$
DECLARE
  bars text;
  said text[];
BEGIN
  FOREACH bars IN ARRAY ARRAY['ohlcv_1s', 'ohlcv_1m', 'ohlcv_1h'] LOOP
    EXECUTE format('COMMENT ON {rollup} depthcast.%I IS %L', bars,
                   'Bars of the trades of each book, of 1 ' || right(bars, 1) || '; none where there was no trade.');
    FOREACH said SLICE 1 IN ARRAY ARRAY[
      ['ts', 'The start of the interval; a trade at that very time belongs to it.'],
      ['instrument_id', 'uint32.'],
      ['open', 'Price of its first trade that has one, in 1e-9; null if none has.'],
      ['high', 'The highest price, in 1e-9.'],
      ['low', 'The lowest price, in 1e-9.'],
      ['close', 'Price of its last trade that has one, in 1e-9.'],
      ['volume', 'The sum of the sizes that are defined.'],
      ['trades', 'How many there were.'],
      ['publisher_id', 'uint16.'],
      ['feed_id', 'Of which feed.']
    ] LOOP
      EXECUTE format('COMMENT ON COLUMN depthcast.%I.%I IS %L', bars, said[1], said[2]);
    END LOOP;
  END LOOP;
END
$$;

COMMENT ON {rollup} depthcast.bbo_1s IS 'The best bid and offer of each book at the end of every second in which it had a row of bbo.';
COMMENT ON COLUMN depthcast.bbo_1s.ts IS 'The end of the second; a row at that very time belongs to it.';
COMMENT ON COLUMN depthcast.bbo_1s.instrument_id IS 'uint32.';
COMMENT ON COLUMN depthcast.bbo_1s.position IS 'Of its last row of bbo.';
COMMENT ON COLUMN depthcast.bbo_1s.sequence IS 'Of its last row of bbo, uint32.';
COMMENT ON COLUMN depthcast.bbo_1s.bid_px IS 'The best bid, in 1e-9; null if there is none.';
COMMENT ON COLUMN depthcast.bbo_1s.ask_px IS 'The best offer, in 1e-9; null if there is none.';
COMMENT ON COLUMN depthcast.bbo_1s.bid_sz IS 'Its size, uint32.';
COMMENT ON COLUMN depthcast.bbo_1s.ask_sz IS 'Its size, uint32.';
COMMENT ON COLUMN depthcast.bbo_1s.bid_ct IS 'Orders there, uint32.';
COMMENT ON COLUMN depthcast.bbo_1s.ask_ct IS 'Orders there, uint32.';
COMMENT ON COLUMN depthcast.bbo_1s.updates IS 'Rows of bbo in the second.';
COMMENT ON COLUMN depthcast.bbo_1s.publisher_id IS 'uint16.';
COMMENT ON COLUMN depthcast.bbo_1s.feed_id IS 'Of which feed.';
COMMENT ON COLUMN depthcast.bbo_1s.flags IS 'uint8; with 4 the book is not known to be right.';

COMMENT ON {rollup} depthcast.depth_1m IS 'How deep each book was, by its rows of depth, in every minute that has any.';
COMMENT ON COLUMN depthcast.depth_1m.ts IS 'The start of the minute.';
COMMENT ON COLUMN depthcast.depth_1m.instrument_id IS 'uint32.';
COMMENT ON COLUMN depthcast.depth_1m.samples IS 'Rows of depth in it.';
COMMENT ON COLUMN depthcast.depth_1m.two_sided IS 'Those that have a bid and an offer.';
COMMENT ON COLUMN depthcast.depth_1m.spread_sum IS 'The sum of their spreads, in 1e-9; null if there is none.';
COMMENT ON COLUMN depthcast.depth_1m.spread_min IS 'The least spread, in 1e-9.';
COMMENT ON COLUMN depthcast.depth_1m.spread_max IS 'The greatest spread, in 1e-9.';
COMMENT ON COLUMN depthcast.depth_1m.bid_sz_10_sum IS 'The sum of bid_sz_10 over its samples.';
COMMENT ON COLUMN depthcast.depth_1m.ask_sz_10_sum IS 'The sum of ask_sz_10 over its samples.';
COMMENT ON COLUMN depthcast.depth_1m.publisher_id IS 'uint16.';
COMMENT ON COLUMN depthcast.depth_1m.feed_id IS 'Of which feed.';
