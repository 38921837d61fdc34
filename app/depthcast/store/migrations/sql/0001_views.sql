-- What readers use: the same on a server with TimescaleDB and on one without. Prices are decimals here, and exact; the
-- columns that end in _1e9 are the same in 1e-9, for programs.

CREATE SCHEMA history;
COMMENT ON SCHEMA history IS 'What readers use: the stored rows with the names of their feeds, prices as decimals.';

CREATE VIEW history.segments AS
SELECT f.dataset, f.shard, s.epoch, s.position, s.records, s.until, s.first_ts, s.last_ts, s.stored_bytes, s.sha256, s.key,
       s.trades, s.bbo, s.depth, s.version, s.compacted_at
FROM depthcast.segments s JOIN depthcast.feeds f USING (feed_id);
COMMENT ON VIEW history.segments IS 'The segments of the journals that are in the tables.';

CREATE VIEW history.instruments AS
SELECT f.dataset, f.shard, i.instrument_id, i.publisher_id, i.raw_symbol, i.asset, i.exchange, i.currency, i.security_type,
       i.instrument_class, i.min_price_increment * 0.000000001 AS min_price_increment,
       i.display_factor * 0.000000001 AS display_factor, i.unit_of_measure_qty * 0.000000001 AS unit_of_measure_qty,
       i.expiration
FROM depthcast.instruments i JOIN depthcast.feeds f USING (feed_id);
COMMENT ON VIEW history.instruments IS 'Instruments, and what their newest definitions say.';

CREATE VIEW history.trades AS
SELECT f.dataset, f.shard, t.instrument_id, t.publisher_id, t.ts, t.epoch, t.position, t.ordinal, t.ts_event, t.ts_recv,
       t.ts_in_delta, t.sequence,
       CASE WHEN t.order_id < 0 THEN t.order_id + 18446744073709551616 ELSE t.order_id::numeric END AS order_id,
       t.price * 0.000000001 AS price, t.size, t.side::text AS side, t.depth, t.flags, t.price AS price_1e9
FROM depthcast.trades t JOIN depthcast.feeds f USING (feed_id);
COMMENT ON VIEW history.trades IS 'Every trade.';

CREATE VIEW history.bbo AS
SELECT f.dataset, f.shard, b.instrument_id, b.publisher_id, b.ts, b.epoch, b.position, b.ordinal, b.ts_event, b.ts_recv,
       b.ts_in_delta, b.sequence, b.action::text AS action, b.side::text AS side, b.depth, b.flags,
       b.price * 0.000000001 AS price, b.size,
       b.bid_px * 0.000000001 AS bid_px, b.bid_sz, b.bid_ct, b.ask_px * 0.000000001 AS ask_px, b.ask_sz, b.ask_ct,
       b.price AS price_1e9, b.bid_px AS bid_px_1e9, b.ask_px AS ask_px_1e9
FROM depthcast.bbo b JOIN depthcast.feeds f USING (feed_id);
COMMENT ON VIEW history.bbo IS 'Every trade and every change of the best bid and offer.';

CREATE VIEW history.depth AS
SELECT f.dataset, f.shard, d.instrument_id, d.publisher_id, d.ts, d.epoch, d.position, d.ts_event, d.ts_recv, d.sequence,
       d.flags, d.bid_px * 0.000000001 AS bid_px, d.bid_sz, d.bid_ct, d.ask_px * 0.000000001 AS ask_px, d.ask_sz, d.ask_ct,
       ARRAY(SELECT px * 0.000000001 FROM unnest(d.bid_pxs) WITH ORDINALITY AS l(px, n) ORDER BY n) AS bid_pxs,
       d.bid_szs, d.bid_cts,
       ARRAY(SELECT px * 0.000000001 FROM unnest(d.ask_pxs) WITH ORDINALITY AS l(px, n) ORDER BY n) AS ask_pxs,
       d.ask_szs, d.ask_cts, d.bid_pxs AS bid_pxs_1e9, d.ask_pxs AS ask_pxs_1e9
FROM depthcast.depth d JOIN depthcast.feeds f USING (feed_id);
COMMENT ON VIEW history.depth IS 'Ten levels of each book at every full second in which they changed.';

CREATE VIEW history.bbo_1s AS
SELECT f.dataset, f.shard, b.instrument_id, b.publisher_id, b.ts, b.position, b.sequence, b.flags, b.updates,
       b.bid_px * 0.000000001 AS bid_px, b.bid_sz, b.bid_ct, b.ask_px * 0.000000001 AS ask_px, b.ask_sz, b.ask_ct,
       b.bid_px AS bid_px_1e9, b.ask_px AS ask_px_1e9
FROM depthcast.bbo_1s b JOIN depthcast.feeds f USING (feed_id);
COMMENT ON VIEW history.bbo_1s IS 'The best bid and offer of each book at the end of every second in which it had a row of bbo.';

CREATE VIEW history.ohlcv_1s AS
SELECT f.dataset, f.shard, o.instrument_id, o.publisher_id, o.ts, o.open * 0.000000001 AS open, o.high * 0.000000001 AS high,
       o.low * 0.000000001 AS low, o.close * 0.000000001 AS close, o.volume, o.trades,
       o.open AS open_1e9, o.high AS high_1e9, o.low AS low_1e9, o.close AS close_1e9
FROM depthcast.ohlcv_1s o JOIN depthcast.feeds f USING (feed_id);
COMMENT ON VIEW history.ohlcv_1s IS 'Bars of a second.';

CREATE VIEW history.ohlcv_1m AS
SELECT f.dataset, f.shard, o.instrument_id, o.publisher_id, o.ts, o.open * 0.000000001 AS open, o.high * 0.000000001 AS high,
       o.low * 0.000000001 AS low, o.close * 0.000000001 AS close, o.volume, o.trades,
       o.open AS open_1e9, o.high AS high_1e9, o.low AS low_1e9, o.close AS close_1e9
FROM depthcast.ohlcv_1m o JOIN depthcast.feeds f USING (feed_id);
COMMENT ON VIEW history.ohlcv_1m IS 'Bars of a minute.';

CREATE VIEW history.ohlcv_1h AS
SELECT f.dataset, f.shard, o.instrument_id, o.publisher_id, o.ts, o.open * 0.000000001 AS open, o.high * 0.000000001 AS high,
       o.low * 0.000000001 AS low, o.close * 0.000000001 AS close, o.volume, o.trades,
       o.open AS open_1e9, o.high AS high_1e9, o.low AS low_1e9, o.close AS close_1e9
FROM depthcast.ohlcv_1h o JOIN depthcast.feeds f USING (feed_id);
COMMENT ON VIEW history.ohlcv_1h IS 'Bars of an hour.';

CREATE VIEW history.depth_1m AS
SELECT f.dataset, f.shard, d.instrument_id, d.publisher_id, d.ts, d.samples, d.two_sided,
       d.spread_sum / nullif(d.two_sided, 0) * 0.000000001 AS spread_mean, d.spread_min * 0.000000001 AS spread_min,
       d.spread_max * 0.000000001 AS spread_max, d.bid_sz_10_sum / d.samples AS bid_sz_10_mean,
       d.ask_sz_10_sum / d.samples AS ask_sz_10_mean
FROM depthcast.depth_1m d JOIN depthcast.feeds f USING (feed_id);
COMMENT ON VIEW history.depth_1m IS 'How deep each book was in every minute.';
