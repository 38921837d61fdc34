-- With TimescaleDB (2.28 on PostgreSQL 15 is the oldest this is written for): hypertables, columnstore of closed ranges,
-- continuous aggregates, retention. It has the same tables and functions as the plain schema.

SELECT create_hypertable('depthcast.trades', by_range('ts', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('depthcast.bbo', by_range('ts', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('depthcast.depth', by_range('ts', INTERVAL '1 day'), create_default_indexes => false);

ALTER TABLE depthcast.trades SET (timescaledb.enable_columnstore = true,
  timescaledb.segmentby = 'feed_id, publisher_id, instrument_id', timescaledb.orderby = 'ts, epoch, position, ordinal');
ALTER TABLE depthcast.bbo SET (timescaledb.enable_columnstore = true,
  timescaledb.segmentby = 'feed_id, publisher_id, instrument_id', timescaledb.orderby = 'ts, epoch, position, ordinal');
ALTER TABLE depthcast.depth SET (timescaledb.enable_columnstore = true,
  timescaledb.segmentby = 'feed_id, publisher_id, instrument_id', timescaledb.orderby = 'ts');
-- Segments come late: only what has been quiet for two days is closed.
CALL add_columnstore_policy('depthcast.trades', after => INTERVAL '2 days');
CALL add_columnstore_policy('depthcast.bbo', after => INTERVAL '2 days');
CALL add_columnstore_policy('depthcast.depth', after => INTERVAL '2 days');

CREATE MATERIALIZED VIEW depthcast.ohlcv_1s
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket(INTERVAL '1 second', ts) AS ts, instrument_id,
       first(price, position) FILTER (WHERE price IS NOT NULL) AS open, max(price) AS high, min(price) AS low,
       last(price, position) FILTER (WHERE price IS NOT NULL) AS close, coalesce(sum(size), 0)::bigint AS volume,
       count(*) AS trades, publisher_id, feed_id
FROM depthcast.trades
GROUP BY time_bucket(INTERVAL '1 second', ts), instrument_id, publisher_id, feed_id
WITH NO DATA;

CREATE MATERIALIZED VIEW depthcast.ohlcv_1m
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket(INTERVAL '1 minute', ts) AS ts, instrument_id,
       first(open, ts) FILTER (WHERE open IS NOT NULL) AS open, max(high) AS high, min(low) AS low,
       last(close, ts) FILTER (WHERE close IS NOT NULL) AS close, sum(volume)::bigint AS volume,
       sum(trades)::bigint AS trades, publisher_id, feed_id
FROM depthcast.ohlcv_1s
GROUP BY time_bucket(INTERVAL '1 minute', ts), instrument_id, publisher_id, feed_id
WITH NO DATA;

CREATE MATERIALIZED VIEW depthcast.ohlcv_1h
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket(INTERVAL '1 hour', ts) AS ts, instrument_id,
       first(open, ts) FILTER (WHERE open IS NOT NULL) AS open, max(high) AS high, min(low) AS low,
       last(close, ts) FILTER (WHERE close IS NOT NULL) AS close, sum(volume)::bigint AS volume,
       sum(trades)::bigint AS trades, publisher_id, feed_id
FROM depthcast.ohlcv_1m
GROUP BY time_bucket(INTERVAL '1 hour', ts), instrument_id, publisher_id, feed_id
WITH NO DATA;

-- A second ends with the microsecond that it is named after: buckets begin one microsecond late.
CREATE MATERIALIZED VIEW depthcast.bbo_1s_from
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket(INTERVAL '1 second', ts, "offset" => INTERVAL '1 microsecond') AS begun, instrument_id,
       max(position) AS position, last(sequence, position) AS sequence, last(bid_px, position) AS bid_px,
       last(ask_px, position) AS ask_px, last(bid_sz, position) AS bid_sz, last(ask_sz, position) AS ask_sz,
       last(bid_ct, position) AS bid_ct, last(ask_ct, position) AS ask_ct, count(*) AS updates, publisher_id, feed_id,
       last(flags, position) AS flags
FROM depthcast.bbo
GROUP BY time_bucket(INTERVAL '1 second', ts, "offset" => INTERVAL '1 microsecond'), instrument_id, publisher_id, feed_id
WITH NO DATA;
CREATE VIEW depthcast.bbo_1s AS
SELECT begun + INTERVAL '999999 microseconds' AS ts, instrument_id, position, sequence, bid_px, ask_px, bid_sz, ask_sz,
       bid_ct, ask_ct, updates, publisher_id, feed_id, flags
FROM depthcast.bbo_1s_from;

CREATE MATERIALIZED VIEW depthcast.depth_1m
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket(INTERVAL '1 minute', ts) AS ts, instrument_id, count(*) AS samples,
       count(ask_px::numeric - bid_px) AS two_sided, sum(ask_px::numeric - bid_px) AS spread_sum,
       min(ask_px::numeric - bid_px) AS spread_min, max(ask_px::numeric - bid_px) AS spread_max,
       sum(bid_sz_10) AS bid_sz_10_sum, sum(ask_sz_10) AS ask_sz_10_sum, publisher_id, feed_id
FROM depthcast.depth
GROUP BY time_bucket(INTERVAL '1 minute', ts), instrument_id, publisher_id, feed_id
WITH NO DATA;

-- Real-time aggregates show what is not materialised yet. What comes late is taken in by the next refresh.
SELECT add_continuous_aggregate_policy('depthcast.ohlcv_1s', start_offset => INTERVAL '7 days',
  end_offset => INTERVAL '1 minute', schedule_interval => INTERVAL '1 minute');
SELECT add_continuous_aggregate_policy('depthcast.ohlcv_1m', start_offset => INTERVAL '7 days',
  end_offset => INTERVAL '10 minutes', schedule_interval => INTERVAL '5 minutes');
SELECT add_continuous_aggregate_policy('depthcast.ohlcv_1h', start_offset => INTERVAL '30 days',
  end_offset => INTERVAL '2 hours', schedule_interval => INTERVAL '30 minutes');
SELECT add_continuous_aggregate_policy('depthcast.bbo_1s_from', start_offset => INTERVAL '7 days',
  end_offset => INTERVAL '1 minute', schedule_interval => INTERVAL '1 minute');
SELECT add_continuous_aggregate_policy('depthcast.depth_1m', start_offset => INTERVAL '7 days',
  end_offset => INTERVAL '10 minutes', schedule_interval => INTERVAL '5 minutes');

SELECT add_retention_policy('depthcast.trades', drop_after => INTERVAL '2 years');
SELECT add_retention_policy('depthcast.bbo', drop_after => INTERVAL '90 days');
SELECT add_retention_policy('depthcast.depth', drop_after => INTERVAL '1 year');

CREATE FUNCTION depthcast.make_partitions(days date[]) RETURNS integer
LANGUAGE sql IMMUTABLE AS 'SELECT 0';
COMMENT ON FUNCTION depthcast.make_partitions IS 'Nothing: hypertables make their chunks themselves.';

CREATE FUNCTION depthcast.drop_before(which text, moment timestamptz) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = depthcast, public, pg_temp AS $$
  SELECT count(*)::integer FROM drop_chunks(format('depthcast.%I', which)::regclass, older_than => moment)
$$;
COMMENT ON FUNCTION depthcast.drop_before IS 'Drops the chunks of a hypertable that end at this time or before; how many.';

-- Refreshing a continuous aggregate is not possible in a transaction: its policy does, and it is exact meanwhile only
-- where it was not materialised. Rows older than the policies look back want a refresh of their range.
CREATE FUNCTION depthcast.refresh_rollups(
  feed smallint, of_epoch integer, begun bigint, ended bigint, first_ts timestamptz, last_ts timestamptz
) RETURNS void
LANGUAGE sql IMMUTABLE AS '';
COMMENT ON FUNCTION depthcast.refresh_rollups IS 'Nothing: the policies of the continuous aggregates do it.';
