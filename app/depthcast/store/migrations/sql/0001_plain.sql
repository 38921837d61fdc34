-- Without TimescaleDB: range partitions, and rollups that are computed again for the buckets that changed.

CREATE TABLE depthcast.ohlcv_1s (
  ts timestamptz NOT NULL,
  instrument_id bigint NOT NULL,
  open bigint,
  high bigint,
  low bigint,
  close bigint,
  volume bigint NOT NULL,
  trades bigint NOT NULL,
  publisher_id integer NOT NULL,
  feed_id smallint NOT NULL,
  PRIMARY KEY (instrument_id, ts, publisher_id, feed_id)
) PARTITION BY RANGE (ts);
CREATE TABLE depthcast.ohlcv_1m (LIKE depthcast.ohlcv_1s, PRIMARY KEY (instrument_id, ts, publisher_id, feed_id));
CREATE TABLE depthcast.ohlcv_1h (LIKE depthcast.ohlcv_1s, PRIMARY KEY (instrument_id, ts, publisher_id, feed_id));

CREATE TABLE depthcast.bbo_1s (
  ts timestamptz NOT NULL,
  instrument_id bigint NOT NULL,
  position bigint NOT NULL,
  sequence bigint NOT NULL,
  bid_px bigint,
  ask_px bigint,
  bid_sz bigint NOT NULL,
  ask_sz bigint NOT NULL,
  bid_ct bigint NOT NULL,
  ask_ct bigint NOT NULL,
  updates bigint NOT NULL,
  publisher_id integer NOT NULL,
  feed_id smallint NOT NULL,
  flags smallint NOT NULL,
  PRIMARY KEY (instrument_id, ts, publisher_id, feed_id)
) PARTITION BY RANGE (ts);

CREATE TABLE depthcast.depth_1m (
  ts timestamptz NOT NULL,
  instrument_id bigint NOT NULL,
  samples bigint NOT NULL,
  two_sided bigint NOT NULL,
  spread_sum numeric,
  spread_min numeric,
  spread_max numeric,
  bid_sz_10_sum numeric NOT NULL,
  ask_sz_10_sum numeric NOT NULL,
  publisher_id integer NOT NULL,
  feed_id smallint NOT NULL,
  PRIMARY KEY (instrument_id, ts, publisher_id, feed_id)
);

CREATE FUNCTION depthcast.partitioned(OUT name text, OUT step text) RETURNS SETOF record
LANGUAGE sql IMMUTABLE AS $$
  VALUES ('trades', 'day'), ('bbo', 'day'), ('depth', 'day'), ('bbo_1s', 'month'), ('ohlcv_1s', 'month')
$$;
COMMENT ON FUNCTION depthcast.partitioned IS 'The partitioned tables, and how long a partition of each is.';

CREATE FUNCTION depthcast.make_partitions(days date[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = depthcast, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  missing record;
  made integer := 0;
BEGIN
  FOR missing IN
    SELECT DISTINCT p.name, begun, begun + ('1 ' || p.step)::interval AS ended,
           p.name || to_char(begun, CASE p.step WHEN 'day' THEN '_YYYYMMDD' ELSE '_YYYYMM' END) AS part
    FROM partitioned() p, unnest(days) AS day, date_trunc(p.step, day::timestamp) AS begun
    ORDER BY p.name, begun
  LOOP
    CONTINUE WHEN to_regclass('depthcast.' || missing.part) IS NOT NULL;
    -- Somebody else may have made it meanwhile, which only a query is sure to see.
    PERFORM pg_advisory_xact_lock(hashtext('depthcast.make_partitions'));
    CONTINUE WHEN EXISTS (
      SELECT FROM pg_class WHERE relname = missing.part AND relnamespace = 'depthcast'::regnamespace
    );
    -- Made apart and attached, it does not keep readers waiting.
    EXECUTE format('CREATE TABLE depthcast.%I (LIKE depthcast.%I INCLUDING DEFAULTS)', missing.part, missing.name);
    EXECUTE format('ALTER TABLE depthcast.%I ATTACH PARTITION depthcast.%I FOR VALUES FROM (%L) TO (%L)',
                   missing.name, missing.part, missing.begun, missing.ended);
    made := made + 1;
  END LOOP;
  RETURN made;
END
$$;
COMMENT ON FUNCTION depthcast.make_partitions IS 'Makes the partitions of these days that are missing; how many there were.';

CREATE FUNCTION depthcast.drop_before(which text, moment timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = depthcast, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  old record;
  dropped integer := 0;
BEGIN
  FOR old IN
    SELECT c.relname,
           substring(pg_get_expr(c.relpartbound, c.oid) FROM $re$TO \('([^']+)'\)$re$)::timestamptz AS ended
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass(format('depthcast.%I', which)) AND which IN (SELECT name FROM partitioned())
    ORDER BY c.relname
  LOOP
    CONTINUE WHEN old.ended > moment;
    EXECUTE format('DROP TABLE depthcast.%I', old.relname);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END
$$;
COMMENT ON FUNCTION depthcast.drop_before IS 'Drops the partitions of a table that end at this time or before; how many.';

CREATE FUNCTION depthcast.refresh_rollups(
  feed smallint, of_epoch integer, begun bigint, ended bigint, first_ts timestamptz, last_ts timestamptz
) RETURNS void
LANGUAGE plpgsql SET timezone = 'UTC' AS $$
BEGIN
  -- What was gathered over a second that nobody else has rows of is whole. One that is there already is made again.
  WITH added AS (
    INSERT INTO depthcast.ohlcv_1s SELECT * FROM new_ohlcv_1s ON CONFLICT DO NOTHING
    RETURNING instrument_id, publisher_id, ts
  )
  INSERT INTO shared_trades
    (SELECT instrument_id, publisher_id, ts FROM new_ohlcv_1s EXCEPT SELECT * FROM added)
    UNION SELECT * FROM touched_trades
    ON CONFLICT DO NOTHING;
  WITH added AS (
    INSERT INTO depthcast.bbo_1s SELECT * FROM new_bbo_1s ON CONFLICT DO NOTHING
    RETURNING instrument_id, publisher_id, ts
  )
  INSERT INTO shared_bbo
    (SELECT instrument_id, publisher_id, ts FROM new_bbo_1s EXCEPT SELECT * FROM added)
    UNION SELECT * FROM touched_bbo
    ON CONFLICT DO NOTHING;
  INSERT INTO touched_minutes
    SELECT DISTINCT instrument_id, publisher_id, date_trunc('minute', bucket) FROM touched_trades
    ON CONFLICT DO NOTHING;
  PERFORM depthcast.refresh_shared(feed);
  PERFORM depthcast.refresh_bars(feed, 'ohlcv_1s', 'ohlcv_1m', 'minute');
  PERFORM depthcast.refresh_bars(feed, 'ohlcv_1m', 'ohlcv_1h', 'hour');
  PERFORM depthcast.refresh_depth(feed);
END
$$;
COMMENT ON FUNCTION depthcast.refresh_rollups IS
  'Brings rollups up to date: takes in the temporary tables new_*, and makes again what touched_* and shared_* name.';

-- What is made again is looked up bucket by bucket (LATERAL), by an index: the planner knows nothing of the temporary
-- tables, and would read a day for the rows of a second. A bucket whose rows have all gone goes too.

CREATE FUNCTION depthcast.refresh_shared(feed smallint) RETURNS void
LANGUAGE plpgsql SET timezone = 'UTC' SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
SET enable_bitmapscan = off AS $$
BEGIN
  WITH made AS MATERIALIZED (
    SELECT * FROM shared_trades t CROSS JOIN LATERAL (
      SELECT (array_agg(x.price ORDER BY x.position) FILTER (WHERE x.price IS NOT NULL))[1] AS open,
             max(x.price) AS high, min(x.price) AS low,
             (array_agg(x.price ORDER BY x.position DESC) FILTER (WHERE x.price IS NOT NULL))[1] AS close,
             coalesce(sum(x.size), 0) AS volume, count(*) AS trades
      FROM depthcast.trades x
      WHERE x.instrument_id = t.instrument_id AND x.ts >= t.bucket AND x.ts < t.bucket + interval '1 second'
        AND x.publisher_id = t.publisher_id AND x.feed_id = feed) bar
  ), put AS (
    INSERT INTO depthcast.ohlcv_1s
      (ts, instrument_id, open, high, low, close, volume, trades, publisher_id, feed_id)
    SELECT bucket, instrument_id, open, high, low, close, volume, trades, publisher_id, feed FROM made
    WHERE trades > 0
    ON CONFLICT (instrument_id, ts, publisher_id, feed_id) DO UPDATE
    SET (open, high, low, close, volume, trades) =
        (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.trades)
  )
  DELETE FROM depthcast.ohlcv_1s r USING made
  WHERE made.trades = 0 AND r.instrument_id = made.instrument_id AND r.ts = made.bucket
    AND r.publisher_id = made.publisher_id AND r.feed_id = feed;

  WITH made AS MATERIALIZED (
    SELECT t.*, last.position, last.sequence, last.bid_px, last.ask_px, last.bid_sz, last.ask_sz, last.bid_ct,
           last.ask_ct, last.flags, last.updates
    FROM shared_bbo t LEFT JOIN LATERAL (
      SELECT x.position, x.sequence, x.bid_px, x.ask_px, x.bid_sz, x.ask_sz, x.bid_ct, x.ask_ct, x.flags,
             count(*) OVER () AS updates
      FROM depthcast.bbo x
      WHERE x.instrument_id = t.instrument_id AND x.ts > t.bucket - interval '1 second' AND x.ts <= t.bucket
        AND x.publisher_id = t.publisher_id AND x.feed_id = feed
      ORDER BY x.position DESC LIMIT 1) last ON true
  ), put AS (
    INSERT INTO depthcast.bbo_1s
      (ts, instrument_id, position, sequence, bid_px, ask_px, bid_sz, ask_sz, bid_ct, ask_ct, updates, publisher_id,
       feed_id, flags)
    SELECT bucket, instrument_id, position, sequence, bid_px, ask_px, bid_sz, ask_sz, bid_ct, ask_ct, updates,
           publisher_id, feed, flags
    FROM made WHERE updates IS NOT NULL
    ON CONFLICT (instrument_id, ts, publisher_id, feed_id) DO UPDATE
    SET (position, sequence, bid_px, ask_px, bid_sz, ask_sz, bid_ct, ask_ct, updates, flags) =
        (excluded.position, excluded.sequence, excluded.bid_px, excluded.ask_px, excluded.bid_sz, excluded.ask_sz,
         excluded.bid_ct, excluded.ask_ct, excluded.updates, excluded.flags)
  )
  DELETE FROM depthcast.bbo_1s r USING made
  WHERE made.updates IS NULL AND r.instrument_id = made.instrument_id AND r.ts = made.bucket
    AND r.publisher_id = made.publisher_id AND r.feed_id = feed;
END
$$;
COMMENT ON FUNCTION depthcast.refresh_shared IS
  'Makes the rollups of a second again from all rows, for the buckets in the temporary tables shared_trades, shared_bbo.';

CREATE FUNCTION depthcast.refresh_bars(feed smallint, shorter text, bars text, step text) RETURNS void
LANGUAGE plpgsql SET timezone = 'UTC' SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
SET enable_bitmapscan = off AS $$
BEGIN
  EXECUTE format('WITH made AS MATERIALIZED (
    SELECT *
    FROM (SELECT DISTINCT instrument_id, publisher_id, date_trunc($2, bucket) AS bucket FROM touched_minutes) t
    CROSS JOIN LATERAL (
      SELECT (array_agg(x.open ORDER BY x.ts) FILTER (WHERE x.open IS NOT NULL))[1] AS open, max(x.high) AS high,
             min(x.low) AS low, (array_agg(x.close ORDER BY x.ts DESC) FILTER (WHERE x.close IS NOT NULL))[1] AS close,
             sum(x.volume) AS volume, sum(x.trades) AS trades
      FROM depthcast.%1$I x
      WHERE x.instrument_id = t.instrument_id AND x.ts >= t.bucket AND x.ts < t.bucket + $3
        AND x.publisher_id = t.publisher_id AND x.feed_id = $1) bar
  ), put AS (
    INSERT INTO depthcast.%2$I (ts, instrument_id, open, high, low, close, volume, trades, publisher_id, feed_id)
    SELECT bucket, instrument_id, open, high, low, close, volume, trades, publisher_id, $1 FROM made
    WHERE trades IS NOT NULL
    ON CONFLICT (instrument_id, ts, publisher_id, feed_id) DO UPDATE
    SET (open, high, low, close, volume, trades) =
        (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.trades)
  )
  DELETE FROM depthcast.%2$I r USING made
  WHERE made.trades IS NULL AND r.instrument_id = made.instrument_id AND r.ts = made.bucket
    AND r.publisher_id = made.publisher_id AND r.feed_id = $1', shorter, bars)
    USING feed, step, ('1 ' || step)::interval;
END
$$;
COMMENT ON FUNCTION depthcast.refresh_bars IS
  'Makes longer bars again from shorter ones, for the buckets in the temporary table touched_minutes.';

CREATE FUNCTION depthcast.refresh_depth(feed smallint) RETURNS void
LANGUAGE plpgsql SET timezone = 'UTC' SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
SET enable_bitmapscan = off AS $$
BEGIN
  WITH made AS MATERIALIZED (
    SELECT * FROM touched_depth t CROSS JOIN LATERAL (
      SELECT count(*) AS samples, count(x.ask_px::numeric - x.bid_px) AS two_sided,
             sum(x.ask_px::numeric - x.bid_px) AS spread_sum, min(x.ask_px::numeric - x.bid_px) AS spread_min,
             max(x.ask_px::numeric - x.bid_px) AS spread_max, sum(x.bid_sz_10) AS bid_sz_10_sum,
             sum(x.ask_sz_10) AS ask_sz_10_sum
      FROM depthcast.depth x
      WHERE x.instrument_id = t.instrument_id AND x.ts >= t.bucket AND x.ts < t.bucket + interval '1 minute'
        AND x.publisher_id = t.publisher_id AND x.feed_id = feed) minute
  ), put AS (
    INSERT INTO depthcast.depth_1m
      (ts, instrument_id, samples, two_sided, spread_sum, spread_min, spread_max, bid_sz_10_sum, ask_sz_10_sum,
       publisher_id, feed_id)
    SELECT bucket, instrument_id, samples, two_sided, spread_sum, spread_min, spread_max, bid_sz_10_sum, ask_sz_10_sum,
           publisher_id, feed
    FROM made WHERE samples > 0
    ON CONFLICT (instrument_id, ts, publisher_id, feed_id) DO UPDATE
    SET (samples, two_sided, spread_sum, spread_min, spread_max, bid_sz_10_sum, ask_sz_10_sum) =
        (excluded.samples, excluded.two_sided, excluded.spread_sum, excluded.spread_min, excluded.spread_max,
         excluded.bid_sz_10_sum, excluded.ask_sz_10_sum)
  )
  DELETE FROM depthcast.depth_1m r USING made
  WHERE made.samples = 0 AND r.instrument_id = made.instrument_id AND r.ts = made.bucket
    AND r.publisher_id = made.publisher_id AND r.feed_id = feed;
END
$$;
COMMENT ON FUNCTION depthcast.refresh_depth IS
  'Makes the statistics of a minute again, for the buckets in the temporary table touched_depth.';

CREATE FUNCTION depthcast.empty_history() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = depthcast, pg_temp AS $$
  TRUNCATE depthcast.trades, depthcast.bbo, depthcast.depth, depthcast.segments, depthcast.instruments,
    depthcast.ohlcv_1s, depthcast.ohlcv_1m, depthcast.ohlcv_1h, depthcast.bbo_1s, depthcast.depth_1m
$$;
COMMENT ON FUNCTION depthcast.empty_history IS 'Takes out everything that is derived from segments.';

GRANT SELECT, INSERT, UPDATE, DELETE ON depthcast.ohlcv_1s, depthcast.ohlcv_1m, depthcast.ohlcv_1h, depthcast.bbo_1s,
  depthcast.depth_1m TO depthcast_writer;
