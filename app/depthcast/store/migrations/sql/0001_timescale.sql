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
-- Segments come late: what is older than two days is closed. What comes later still is taken in, at a greater cost.
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
COMMENT ON VIEW depthcast.bbo_1s_from IS 'What bbo_1s is of, by the start of each second: its first microsecond.';

CREATE MATERIALIZED VIEW depthcast.depth_1m
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket(INTERVAL '1 minute', ts) AS ts, instrument_id, count(*) AS samples,
       count(ask_px::numeric - bid_px) AS two_sided, sum(ask_px::numeric - bid_px) AS spread_sum,
       min(ask_px::numeric - bid_px) AS spread_min, max(ask_px::numeric - bid_px) AS spread_max,
       sum(bid_sz_10) AS bid_sz_10_sum, sum(ask_sz_10) AS ask_sz_10_sum, publisher_id, feed_id
FROM depthcast.depth
GROUP BY time_bucket(INTERVAL '1 minute', ts), instrument_id, publisher_id, feed_id
WITH NO DATA;

-- Intervals of the last hours are worked out as they are read, older ones are kept. Where a segment brings rows for
-- intervals that are kept already, these are worked out again at once, which takes a moment.

CREATE FUNCTION depthcast.kept_until() RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = depthcast, pg_temp AS $$
  SELECT max(_timescaledb_functions.to_timestamp(w.watermark))
  FROM _timescaledb_catalog.continuous_agg a JOIN _timescaledb_catalog.continuous_aggs_watermark w USING (mat_hypertable_id)
  WHERE a.user_view_schema = 'depthcast'
$$;
COMMENT ON FUNCTION depthcast.kept_until IS 'Rollups of intervals from this time on are worked out as they are read.';

-- One job, not a policy for each: longer bars are made of shorter ones that are up to date. A transaction makes an hour
-- of seconds, a day of minutes, a month of hours.
CREATE PROCEDURE depthcast.keep_rollups(job_id integer, config jsonb) LANGUAGE plpgsql AS $$
DECLARE
  rollup text[];
BEGIN
  FOREACH rollup SLICE 1 IN ARRAY ARRAY[['ohlcv_1s', '3600'], ['ohlcv_1m', '1440'], ['ohlcv_1h', '720'],
                                        ['bbo_1s_from', '3600'], ['depth_1m', '1440']] LOOP
    CALL public.refresh_continuous_aggregate('depthcast.' || rollup[1], NULL, now() - (config ->> 'after')::interval,
                                             options => jsonb_build_object('buckets_per_batch', rollup[2]::integer));
  END LOOP;
END
$$;
COMMENT ON PROCEDURE depthcast.keep_rollups IS
  'A job: brings the continuous aggregates up to date, up to some time ago, wherever rows have changed.';
SELECT add_job('depthcast.keep_rollups', INTERVAL '10 minutes', config => '{"after": "2 hours"}');

CREATE FUNCTION depthcast.refresh_rollups(
  feed smallint, of_epoch integer, begun bigint, ended bigint, first_ts timestamptz, last_ts timestamptz
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = depthcast, public, pg_temp AS $$
DECLARE
  touched timestamptz := first_ts;
  buckets regclass;
  earliest timestamptz;
BEGIN
  FOR buckets IN SELECT attrelid FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    WHERE c.relnamespace = pg_my_temp_schema() AND c.relkind = 'r' AND attname = 'bucket' LOOP
    EXECUTE format('SELECT min(bucket) FROM %s', buckets) INTO earliest;
    touched := least(touched, earliest);
  END LOOP;
  IF touched < kept_until() THEN
    PERFORM pg_advisory_xact_lock(hashtext('depthcast.keep_rollups'));
    PERFORM alter_job(j.job_id, next_start => now()) FROM timescaledb_information.jobs j
      WHERE j.proc_schema = 'depthcast' AND j.proc_name = 'keep_rollups';
  END IF;
END
$$;
COMMENT ON FUNCTION depthcast.refresh_rollups IS
  'Has the job keep_rollups run at once, if rollups are kept of an interval in which rows have changed.';

CREATE FUNCTION depthcast.make_partitions(days date[]) RETURNS integer
LANGUAGE sql IMMUTABLE AS 'SELECT 0';
COMMENT ON FUNCTION depthcast.make_partitions IS 'Nothing: hypertables make their chunks themselves.';

-- Rollups outlast the rows that they are made of: that these go is no change of them.
CREATE FUNCTION depthcast.drop_before(which text, moment timestamptz) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = depthcast, public, pg_temp
SET timescaledb.skip_cagg_invalidation = on AS $$
  SELECT count(*)::integer
  FROM drop_chunks(format('depthcast.%I', CASE which WHEN 'bbo_1s' THEN 'bbo_1s_from' ELSE which END)::regclass,
                   older_than => moment)
$$;
COMMENT ON FUNCTION depthcast.drop_before IS 'Drops the chunks of a table or rollup that end at this time or before; how many.';

CREATE FUNCTION depthcast.empty_history() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = depthcast, pg_temp AS $$
  TRUNCATE depthcast.trades, depthcast.bbo, depthcast.depth, depthcast.segments, depthcast.instruments,
    depthcast.ohlcv_1s, depthcast.ohlcv_1m, depthcast.ohlcv_1h, depthcast.bbo_1s_from, depthcast.depth_1m
$$;
COMMENT ON FUNCTION depthcast.empty_history IS 'Takes out everything that is derived from segments.';
