-- bbo: hypertable, a chunk is 1 day of ts
-- depth: hypertable, a chunk is 1 day of ts
-- trades: hypertable, a chunk is 1 day of ts
-- depthcast.bbo: columnstore, segmentby feed_id,publisher_id,instrument_id, orderby ts,epoch,"position",ordinal
-- depthcast.depth: columnstore, segmentby feed_id,publisher_id,instrument_id, orderby ts
-- depthcast.trades: columnstore, segmentby feed_id,publisher_id,instrument_id, orderby ts,epoch,"position",ordinal
-- bbo_1s_from: continuous aggregate of bbo, real-time
-- depth_1m: continuous aggregate of depth, real-time
-- ohlcv_1h: continuous aggregate of ohlcv_1m, real-time
-- ohlcv_1m: continuous aggregate of ohlcv_1s, real-time
-- ohlcv_1s: continuous aggregate of trades, real-time
-- job columnstore of bbo every 12:00:00: {"compress_after": "2 days"}
-- job columnstore of depth every 12:00:00: {"compress_after": "2 days"}
-- job columnstore of trades every 12:00:00: {"compress_after": "2 days"}
-- job keep_rollups every 00:10:00: {"after": "2 hours"}

--
-- PostgreSQL database dump
--

SELECT pg_catalog.set_config('search_path', '', false);

--
-- Name: depthcast; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA depthcast;

--
-- Name: SCHEMA depthcast; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON SCHEMA depthcast IS 'What is stored. Readers use the views of schema history.';

--
-- Name: history; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA history;

--
-- Name: SCHEMA history; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON SCHEMA history IS 'What readers use: the stored rows with the names of their feeds, prices as decimals.';

--
-- Name: drop_before(text, timestamp with time zone); Type: FUNCTION; Schema: depthcast; Owner: -
--

CREATE FUNCTION depthcast.drop_before(which text, moment timestamp with time zone) RETURNS integer
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'depthcast', 'public', 'pg_temp'
    SET "timescaledb.skip_cagg_invalidation" TO 'on'
    AS $$
  SELECT count(*)::integer
  FROM drop_chunks(format('depthcast.%I', CASE which WHEN 'bbo_1s' THEN 'bbo_1s_from' ELSE which END)::regclass,
                   older_than => moment)
$$;

--
-- Name: FUNCTION drop_before(which text, moment timestamp with time zone); Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON FUNCTION depthcast.drop_before(which text, moment timestamp with time zone) IS 'Drops the chunks of a table or rollup that end at this time or before; how many.';

--
-- Name: empty_history(); Type: FUNCTION; Schema: depthcast; Owner: -
--

CREATE FUNCTION depthcast.empty_history() RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'depthcast', 'pg_temp'
    AS $$
  TRUNCATE depthcast.trades, depthcast.bbo, depthcast.depth, depthcast.segments, depthcast.instruments,
    depthcast.ohlcv_1s, depthcast.ohlcv_1m, depthcast.ohlcv_1h, depthcast.bbo_1s_from, depthcast.depth_1m
$$;

--
-- Name: FUNCTION empty_history(); Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON FUNCTION depthcast.empty_history() IS 'Takes out everything that is derived from segments.';

--
-- Name: keep_rollups(integer, jsonb); Type: PROCEDURE; Schema: depthcast; Owner: -
--

CREATE PROCEDURE depthcast.keep_rollups(IN job_id integer, IN config jsonb)
    LANGUAGE plpgsql
    AS $$
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

--
-- Name: PROCEDURE keep_rollups(IN job_id integer, IN config jsonb); Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON PROCEDURE depthcast.keep_rollups(IN job_id integer, IN config jsonb) IS 'A job: brings the continuous aggregates up to date, up to some time ago, wherever rows have changed.';

--
-- Name: kept_until(); Type: FUNCTION; Schema: depthcast; Owner: -
--

CREATE FUNCTION depthcast.kept_until() RETURNS timestamp with time zone
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'depthcast', 'pg_temp'
    AS $$
  SELECT max(_timescaledb_functions.to_timestamp(w.watermark))
  FROM _timescaledb_catalog.continuous_agg a JOIN _timescaledb_catalog.continuous_aggs_watermark w USING (mat_hypertable_id)
  WHERE a.user_view_schema = 'depthcast'
$$;

--
-- Name: FUNCTION kept_until(); Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON FUNCTION depthcast.kept_until() IS 'Rollups of intervals from this time on are worked out as they are read.';

--
-- Name: make_partitions(date[]); Type: FUNCTION; Schema: depthcast; Owner: -
--

CREATE FUNCTION depthcast.make_partitions(days date[]) RETURNS integer
    LANGUAGE sql IMMUTABLE
    AS $$SELECT 0$$;

--
-- Name: FUNCTION make_partitions(days date[]); Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON FUNCTION depthcast.make_partitions(days date[]) IS 'Nothing: hypertables make their chunks themselves.';

--
-- Name: refresh_rollups(smallint, integer, bigint, bigint, timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: depthcast; Owner: -
--

CREATE FUNCTION depthcast.refresh_rollups(feed smallint, of_epoch integer, begun bigint, ended bigint, first_ts timestamp with time zone, last_ts timestamp with time zone) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'depthcast', 'public', 'pg_temp'
    AS $$
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

--
-- Name: FUNCTION refresh_rollups(feed smallint, of_epoch integer, begun bigint, ended bigint, first_ts timestamp with time zone, last_ts timestamp with time zone); Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON FUNCTION depthcast.refresh_rollups(feed smallint, of_epoch integer, begun bigint, ended bigint, first_ts timestamp with time zone, last_ts timestamp with time zone) IS 'Has the job keep_rollups run at once, if rollups are kept of an interval in which rows have changed.';

--
-- Name: bbo; Type: TABLE; Schema: depthcast; Owner: -
--

CREATE TABLE depthcast.bbo (
    ts timestamp with time zone NOT NULL,
    "position" bigint NOT NULL,
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
    side "char" NOT NULL
);

--
-- Name: TABLE bbo; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON TABLE depthcast.bbo IS 'Every trade and every change of the best bid and offer: the records of schema mbp-1.';

--
-- Name: COLUMN bbo.ts; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.ts IS 'ts_recv (else ts_event, else 1970) rounded up to the microsecond, so that intervals (a, b] are told by it.';

--
-- Name: COLUMN bbo."position"; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo."position" IS 'Of the MBO record in the feed.';

--
-- Name: COLUMN bbo.instrument_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.instrument_id IS 'uint32.';

--
-- Name: COLUMN bbo.ts_event; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.ts_event IS 'ns since the epoch, the 64 bits of a uint64; null if undefined.';

--
-- Name: COLUMN bbo.ts_recv; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.ts_recv IS 'ns since the epoch, the 64 bits of a uint64; null if undefined.';

--
-- Name: COLUMN bbo.sequence; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.sequence IS 'uint32.';

--
-- Name: COLUMN bbo.price; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.price IS 'Of the trade or of the event''s last change, in 1e-9; null if undefined.';

--
-- Name: COLUMN bbo.size; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.size IS 'Of the same, uint32; null if undefined.';

--
-- Name: COLUMN bbo.bid_px; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.bid_px IS 'The best bid, in 1e-9; null if there is none.';

--
-- Name: COLUMN bbo.ask_px; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.ask_px IS 'The best offer, in 1e-9; null if there is none.';

--
-- Name: COLUMN bbo.bid_sz; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.bid_sz IS 'Its size, uint32.';

--
-- Name: COLUMN bbo.ask_sz; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.ask_sz IS 'Its size, uint32.';

--
-- Name: COLUMN bbo.bid_ct; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.bid_ct IS 'Orders there, uint32.';

--
-- Name: COLUMN bbo.ask_ct; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.ask_ct IS 'Orders there, uint32.';

--
-- Name: COLUMN bbo.epoch; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.epoch IS 'The number of the life of the writer that recorded it.';

--
-- Name: COLUMN bbo.publisher_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.publisher_id IS 'uint16.';

--
-- Name: COLUMN bbo.ts_in_delta; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.ts_in_delta IS 'ns.';

--
-- Name: COLUMN bbo.feed_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.feed_id IS 'Of which feed.';

--
-- Name: COLUMN bbo.ordinal; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.ordinal IS 'Numbers the rows of one MBO record, from 0.';

--
-- Name: COLUMN bbo.depth; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.depth IS 'Levels strictly better than price on the side that is touched.';

--
-- Name: COLUMN bbo.flags; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.flags IS 'uint8; with 4 the book is not known to be right.';

--
-- Name: COLUMN bbo.action; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.action IS 'A, C, M, R or T.';

--
-- Name: COLUMN bbo.side; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo.side IS 'A, B or N.';

--
-- Name: depth; Type: TABLE; Schema: depthcast; Owner: -
--

CREATE TABLE depthcast.depth (
    ts timestamp with time zone NOT NULL,
    "position" bigint NOT NULL,
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
    ask_cts bigint[] NOT NULL
);

--
-- Name: TABLE depth; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON TABLE depthcast.depth IS 'Ten levels of each book at the end of every interval of the grid in which they changed: its last mbp-10 record.';

--
-- Name: COLUMN depth.ts; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.ts IS 'The end of the interval; a record at that very time belongs to it.';

--
-- Name: COLUMN depth."position"; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth."position" IS 'Of the MBO record that made the levels so, in the feed.';

--
-- Name: COLUMN depth.instrument_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.instrument_id IS 'uint32.';

--
-- Name: COLUMN depth.ts_event; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.ts_event IS 'Of that record, ns, the 64 bits of a uint64; null if undefined.';

--
-- Name: COLUMN depth.ts_recv; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.ts_recv IS 'Of that record, ns, the 64 bits of a uint64; null if undefined.';

--
-- Name: COLUMN depth.sequence; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.sequence IS 'Of that record, uint32.';

--
-- Name: COLUMN depth.bid_px; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.bid_px IS 'The best bid, in 1e-9; null if there is none.';

--
-- Name: COLUMN depth.ask_px; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.ask_px IS 'The best offer, in 1e-9; null if there is none.';

--
-- Name: COLUMN depth.bid_sz; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.bid_sz IS 'Its size, uint32.';

--
-- Name: COLUMN depth.ask_sz; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.ask_sz IS 'Its size, uint32.';

--
-- Name: COLUMN depth.bid_ct; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.bid_ct IS 'Orders there, uint32.';

--
-- Name: COLUMN depth.ask_ct; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.ask_ct IS 'Orders there, uint32.';

--
-- Name: COLUMN depth.bid_sz_10; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.bid_sz_10 IS 'The size of the ten best bids together.';

--
-- Name: COLUMN depth.ask_sz_10; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.ask_sz_10 IS 'The size of the ten best offers together.';

--
-- Name: COLUMN depth.epoch; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.epoch IS 'The number of the life of the writer that recorded it.';

--
-- Name: COLUMN depth.publisher_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.publisher_id IS 'uint16.';

--
-- Name: COLUMN depth.feed_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.feed_id IS 'Of which feed.';

--
-- Name: COLUMN depth.flags; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.flags IS 'uint8; with 4 the book is not known to be right.';

--
-- Name: COLUMN depth.bid_pxs; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.bid_pxs IS 'Prices of the bids there are, up to ten, best first, in 1e-9.';

--
-- Name: COLUMN depth.ask_pxs; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.ask_pxs IS 'Prices of the offers there are, up to ten, best first, in 1e-9.';

--
-- Name: COLUMN depth.bid_szs; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.bid_szs IS 'Their sizes.';

--
-- Name: COLUMN depth.ask_szs; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.ask_szs IS 'Their sizes.';

--
-- Name: COLUMN depth.bid_cts; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.bid_cts IS 'The orders at each.';

--
-- Name: COLUMN depth.ask_cts; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth.ask_cts IS 'The orders at each.';

--
-- Name: trades; Type: TABLE; Schema: depthcast; Owner: -
--

CREATE TABLE depthcast.trades (
    ts timestamp with time zone NOT NULL,
    "position" bigint NOT NULL,
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
    side "char" NOT NULL
);

--
-- Name: TABLE trades; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON TABLE depthcast.trades IS 'Every trade: the records of schema trades.';

--
-- Name: COLUMN trades.ts; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades.ts IS 'ts_recv (else ts_event, else 1970) rounded down to the microsecond: what rows are found and partitioned by.';

--
-- Name: COLUMN trades."position"; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades."position" IS 'Of the MBO record in the feed.';

--
-- Name: COLUMN trades.instrument_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades.instrument_id IS 'uint32.';

--
-- Name: COLUMN trades.ts_event; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades.ts_event IS 'ns since the epoch, the 64 bits of a uint64; null if undefined.';

--
-- Name: COLUMN trades.ts_recv; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades.ts_recv IS 'ns since the epoch, the 64 bits of a uint64; null if undefined.';

--
-- Name: COLUMN trades.sequence; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades.sequence IS 'uint32.';

--
-- Name: COLUMN trades.order_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades.order_id IS 'Of the MBO record, the 64 bits of a uint64; history.trades has the number.';

--
-- Name: COLUMN trades.price; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades.price IS 'In 1e-9; null if undefined.';

--
-- Name: COLUMN trades.size; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades.size IS 'uint32; null if undefined.';

--
-- Name: COLUMN trades.epoch; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades.epoch IS 'The number of the life of the writer that recorded it.';

--
-- Name: COLUMN trades.publisher_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades.publisher_id IS 'uint16.';

--
-- Name: COLUMN trades.ts_in_delta; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades.ts_in_delta IS 'ns.';

--
-- Name: COLUMN trades.feed_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades.feed_id IS 'Of which feed.';

--
-- Name: COLUMN trades.ordinal; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades.ordinal IS 'Numbers the rows of one MBO record, from 0.';

--
-- Name: COLUMN trades.depth; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades.depth IS 'Levels strictly better than its price on the resting side.';

--
-- Name: COLUMN trades.flags; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades.flags IS 'uint8.';

--
-- Name: COLUMN trades.side; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.trades.side IS 'Of the aggressor: A, B or N.';

--
-- Name: ohlcv_1s; Type: VIEW; Schema: depthcast; Owner: -
--

CREATE VIEW depthcast.ohlcv_1s AS
 SELECT _materialized_hypertable_7.ts,
    _materialized_hypertable_7.instrument_id,
    _materialized_hypertable_7.open,
    _materialized_hypertable_7.high,
    _materialized_hypertable_7.low,
    _materialized_hypertable_7.close,
    _materialized_hypertable_7.volume,
    _materialized_hypertable_7.trades,
    _materialized_hypertable_7.publisher_id,
    _materialized_hypertable_7.feed_id
   FROM _timescaledb_internal._materialized_hypertable_7
  WHERE (_materialized_hypertable_7.ts < COALESCE(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(7)), '-infinity'::timestamp with time zone))
UNION ALL
 SELECT public.time_bucket('00:00:01'::interval, trades.ts) AS ts,
    trades.instrument_id,
    public.first(trades.price, trades."position") FILTER (WHERE (trades.price IS NOT NULL)) AS open,
    max(trades.price) AS high,
    min(trades.price) AS low,
    public.last(trades.price, trades."position") FILTER (WHERE (trades.price IS NOT NULL)) AS close,
    (COALESCE(sum(trades.size), (0)::numeric))::bigint AS volume,
    count(*) AS trades,
    trades.publisher_id,
    trades.feed_id
   FROM depthcast.trades
  WHERE (trades.ts >= COALESCE(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(7)), '-infinity'::timestamp with time zone))
  GROUP BY (public.time_bucket('00:00:01'::interval, trades.ts)), trades.instrument_id, trades.publisher_id, trades.feed_id;

--
-- Name: VIEW ohlcv_1s; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON VIEW depthcast.ohlcv_1s IS 'Bars of the trades of each book, of 1 s; none where there was no trade.';

--
-- Name: COLUMN ohlcv_1s.ts; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1s.ts IS 'The start of the interval; a trade at that very time belongs to it.';

--
-- Name: COLUMN ohlcv_1s.instrument_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1s.instrument_id IS 'uint32.';

--
-- Name: COLUMN ohlcv_1s.open; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1s.open IS 'Price of its first trade that has one, in 1e-9; null if none has.';

--
-- Name: COLUMN ohlcv_1s.high; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1s.high IS 'The highest price, in 1e-9.';

--
-- Name: COLUMN ohlcv_1s.low; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1s.low IS 'The lowest price, in 1e-9.';

--
-- Name: COLUMN ohlcv_1s.close; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1s.close IS 'Price of its last trade that has one, in 1e-9.';

--
-- Name: COLUMN ohlcv_1s.volume; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1s.volume IS 'The sum of the sizes that are defined.';

--
-- Name: COLUMN ohlcv_1s.trades; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1s.trades IS 'How many there were.';

--
-- Name: COLUMN ohlcv_1s.publisher_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1s.publisher_id IS 'uint16.';

--
-- Name: COLUMN ohlcv_1s.feed_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1s.feed_id IS 'Of which feed.';

--
-- Name: ohlcv_1m; Type: VIEW; Schema: depthcast; Owner: -
--

CREATE VIEW depthcast.ohlcv_1m AS
 SELECT _materialized_hypertable_8.ts,
    _materialized_hypertable_8.instrument_id,
    _materialized_hypertable_8.open,
    _materialized_hypertable_8.high,
    _materialized_hypertable_8.low,
    _materialized_hypertable_8.close,
    _materialized_hypertable_8.volume,
    _materialized_hypertable_8.trades,
    _materialized_hypertable_8.publisher_id,
    _materialized_hypertable_8.feed_id
   FROM _timescaledb_internal._materialized_hypertable_8
  WHERE (_materialized_hypertable_8.ts < COALESCE(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(8)), '-infinity'::timestamp with time zone))
UNION ALL
 SELECT public.time_bucket('00:01:00'::interval, ohlcv_1s.ts) AS ts,
    ohlcv_1s.instrument_id,
    public.first(ohlcv_1s.open, ohlcv_1s.ts) FILTER (WHERE (ohlcv_1s.open IS NOT NULL)) AS open,
    max(ohlcv_1s.high) AS high,
    min(ohlcv_1s.low) AS low,
    public.last(ohlcv_1s.close, ohlcv_1s.ts) FILTER (WHERE (ohlcv_1s.close IS NOT NULL)) AS close,
    (sum(ohlcv_1s.volume))::bigint AS volume,
    (sum(ohlcv_1s.trades))::bigint AS trades,
    ohlcv_1s.publisher_id,
    ohlcv_1s.feed_id
   FROM depthcast.ohlcv_1s
  WHERE (ohlcv_1s.ts >= COALESCE(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(8)), '-infinity'::timestamp with time zone))
  GROUP BY (public.time_bucket('00:01:00'::interval, ohlcv_1s.ts)), ohlcv_1s.instrument_id, ohlcv_1s.publisher_id, ohlcv_1s.feed_id;

--
-- Name: VIEW ohlcv_1m; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON VIEW depthcast.ohlcv_1m IS 'Bars of the trades of each book, of 1 m; none where there was no trade.';

--
-- Name: COLUMN ohlcv_1m.ts; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1m.ts IS 'The start of the interval; a trade at that very time belongs to it.';

--
-- Name: COLUMN ohlcv_1m.instrument_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1m.instrument_id IS 'uint32.';

--
-- Name: COLUMN ohlcv_1m.open; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1m.open IS 'Price of its first trade that has one, in 1e-9; null if none has.';

--
-- Name: COLUMN ohlcv_1m.high; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1m.high IS 'The highest price, in 1e-9.';

--
-- Name: COLUMN ohlcv_1m.low; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1m.low IS 'The lowest price, in 1e-9.';

--
-- Name: COLUMN ohlcv_1m.close; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1m.close IS 'Price of its last trade that has one, in 1e-9.';

--
-- Name: COLUMN ohlcv_1m.volume; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1m.volume IS 'The sum of the sizes that are defined.';

--
-- Name: COLUMN ohlcv_1m.trades; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1m.trades IS 'How many there were.';

--
-- Name: COLUMN ohlcv_1m.publisher_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1m.publisher_id IS 'uint16.';

--
-- Name: COLUMN ohlcv_1m.feed_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1m.feed_id IS 'Of which feed.';

--
-- Name: alembic_version; Type: TABLE; Schema: depthcast; Owner: -
--

CREATE TABLE depthcast.alembic_version (
    version_num character varying(32) NOT NULL
);

--
-- Name: TABLE alembic_version; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON TABLE depthcast.alembic_version IS 'Which migration the schema has.';

--
-- Name: COLUMN alembic_version.version_num; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.alembic_version.version_num IS 'The revision.';

--
-- Name: api_keys; Type: TABLE; Schema: depthcast; Owner: -
--

CREATE TABLE depthcast.api_keys (
    key_id text NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    scopes text[] NOT NULL,
    created timestamp with time zone NOT NULL,
    expires timestamp with time zone,
    revoked timestamp with time zone
);

--
-- Name: TABLE api_keys; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON TABLE depthcast.api_keys IS 'The API''s keys, hashed.';

--
-- Name: COLUMN api_keys.key_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.api_keys.key_id IS 'The part of the token that may be shown.';

--
-- Name: COLUMN api_keys.name; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.api_keys.name IS 'Who has it.';

--
-- Name: COLUMN api_keys.sha256; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.api_keys.sha256 IS 'Of the token, in hexadecimal.';

--
-- Name: COLUMN api_keys.scopes; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.api_keys.scopes IS 'What it allows: read, replay, admin.';

--
-- Name: COLUMN api_keys.created; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.api_keys.created IS 'When it was made.';

--
-- Name: COLUMN api_keys.expires; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.api_keys.expires IS 'From when on it is not accepted; null for never.';

--
-- Name: COLUMN api_keys.revoked; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.api_keys.revoked IS 'When it was revoked; null if it was not.';

--
-- Name: bbo_1s_from; Type: VIEW; Schema: depthcast; Owner: -
--

CREATE VIEW depthcast.bbo_1s_from AS
 SELECT _materialized_hypertable_10.begun,
    _materialized_hypertable_10.instrument_id,
    _materialized_hypertable_10."position",
    _materialized_hypertable_10.sequence,
    _materialized_hypertable_10.bid_px,
    _materialized_hypertable_10.ask_px,
    _materialized_hypertable_10.bid_sz,
    _materialized_hypertable_10.ask_sz,
    _materialized_hypertable_10.bid_ct,
    _materialized_hypertable_10.ask_ct,
    _materialized_hypertable_10.updates,
    _materialized_hypertable_10.publisher_id,
    _materialized_hypertable_10.feed_id,
    _materialized_hypertable_10.flags
   FROM _timescaledb_internal._materialized_hypertable_10
  WHERE (_materialized_hypertable_10.begun < COALESCE(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(10)), '-infinity'::timestamp with time zone))
UNION ALL
 SELECT public.time_bucket('00:00:01'::interval, bbo.ts, "offset" => '00:00:00.000001'::interval) AS begun,
    bbo.instrument_id,
    max(bbo."position") AS "position",
    public.last(bbo.sequence, bbo."position") AS sequence,
    public.last(bbo.bid_px, bbo."position") AS bid_px,
    public.last(bbo.ask_px, bbo."position") AS ask_px,
    public.last(bbo.bid_sz, bbo."position") AS bid_sz,
    public.last(bbo.ask_sz, bbo."position") AS ask_sz,
    public.last(bbo.bid_ct, bbo."position") AS bid_ct,
    public.last(bbo.ask_ct, bbo."position") AS ask_ct,
    count(*) AS updates,
    bbo.publisher_id,
    bbo.feed_id,
    public.last(bbo.flags, bbo."position") AS flags
   FROM depthcast.bbo
  WHERE (bbo.ts >= COALESCE(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(10)), '-infinity'::timestamp with time zone))
  GROUP BY (public.time_bucket('00:00:01'::interval, bbo.ts, "offset" => '00:00:00.000001'::interval)), bbo.instrument_id, bbo.publisher_id, bbo.feed_id;

--
-- Name: VIEW bbo_1s_from; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON VIEW depthcast.bbo_1s_from IS 'What bbo_1s is of, by the start of each second: its first microsecond.';

--
-- Name: bbo_1s; Type: VIEW; Schema: depthcast; Owner: -
--

CREATE VIEW depthcast.bbo_1s AS
 SELECT (bbo_1s_from.begun + '00:00:00.999999'::interval) AS ts,
    bbo_1s_from.instrument_id,
    bbo_1s_from."position",
    bbo_1s_from.sequence,
    bbo_1s_from.bid_px,
    bbo_1s_from.ask_px,
    bbo_1s_from.bid_sz,
    bbo_1s_from.ask_sz,
    bbo_1s_from.bid_ct,
    bbo_1s_from.ask_ct,
    bbo_1s_from.updates,
    bbo_1s_from.publisher_id,
    bbo_1s_from.feed_id,
    bbo_1s_from.flags
   FROM depthcast.bbo_1s_from;

--
-- Name: VIEW bbo_1s; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON VIEW depthcast.bbo_1s IS 'The best bid and offer of each book at the end of every second in which it had a row of bbo.';

--
-- Name: COLUMN bbo_1s.ts; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo_1s.ts IS 'The end of the second; a row at that very time belongs to it.';

--
-- Name: COLUMN bbo_1s.instrument_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo_1s.instrument_id IS 'uint32.';

--
-- Name: COLUMN bbo_1s."position"; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo_1s."position" IS 'Of its last row of bbo.';

--
-- Name: COLUMN bbo_1s.sequence; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo_1s.sequence IS 'Of its last row of bbo, uint32.';

--
-- Name: COLUMN bbo_1s.bid_px; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo_1s.bid_px IS 'The best bid, in 1e-9; null if there is none.';

--
-- Name: COLUMN bbo_1s.ask_px; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo_1s.ask_px IS 'The best offer, in 1e-9; null if there is none.';

--
-- Name: COLUMN bbo_1s.bid_sz; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo_1s.bid_sz IS 'Its size, uint32.';

--
-- Name: COLUMN bbo_1s.ask_sz; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo_1s.ask_sz IS 'Its size, uint32.';

--
-- Name: COLUMN bbo_1s.bid_ct; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo_1s.bid_ct IS 'Orders there, uint32.';

--
-- Name: COLUMN bbo_1s.ask_ct; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo_1s.ask_ct IS 'Orders there, uint32.';

--
-- Name: COLUMN bbo_1s.updates; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo_1s.updates IS 'Rows of bbo in the second.';

--
-- Name: COLUMN bbo_1s.publisher_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo_1s.publisher_id IS 'uint16.';

--
-- Name: COLUMN bbo_1s.feed_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo_1s.feed_id IS 'Of which feed.';

--
-- Name: COLUMN bbo_1s.flags; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.bbo_1s.flags IS 'uint8; with 4 the book is not known to be right.';

--
-- Name: depth_1m; Type: VIEW; Schema: depthcast; Owner: -
--

CREATE VIEW depthcast.depth_1m AS
 SELECT _materialized_hypertable_11.ts,
    _materialized_hypertable_11.instrument_id,
    _materialized_hypertable_11.samples,
    _materialized_hypertable_11.two_sided,
    _materialized_hypertable_11.spread_sum,
    _materialized_hypertable_11.spread_min,
    _materialized_hypertable_11.spread_max,
    _materialized_hypertable_11.bid_sz_10_sum,
    _materialized_hypertable_11.ask_sz_10_sum,
    _materialized_hypertable_11.publisher_id,
    _materialized_hypertable_11.feed_id
   FROM _timescaledb_internal._materialized_hypertable_11
  WHERE (_materialized_hypertable_11.ts < COALESCE(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(11)), '-infinity'::timestamp with time zone))
UNION ALL
 SELECT public.time_bucket('00:01:00'::interval, depth.ts) AS ts,
    depth.instrument_id,
    count(*) AS samples,
    count(((depth.ask_px)::numeric - (depth.bid_px)::numeric)) AS two_sided,
    sum(((depth.ask_px)::numeric - (depth.bid_px)::numeric)) AS spread_sum,
    min(((depth.ask_px)::numeric - (depth.bid_px)::numeric)) AS spread_min,
    max(((depth.ask_px)::numeric - (depth.bid_px)::numeric)) AS spread_max,
    sum(depth.bid_sz_10) AS bid_sz_10_sum,
    sum(depth.ask_sz_10) AS ask_sz_10_sum,
    depth.publisher_id,
    depth.feed_id
   FROM depthcast.depth
  WHERE (depth.ts >= COALESCE(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(11)), '-infinity'::timestamp with time zone))
  GROUP BY (public.time_bucket('00:01:00'::interval, depth.ts)), depth.instrument_id, depth.publisher_id, depth.feed_id;

--
-- Name: VIEW depth_1m; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON VIEW depthcast.depth_1m IS 'How deep each book was, by its rows of depth, in every minute that has any.';

--
-- Name: COLUMN depth_1m.ts; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth_1m.ts IS 'The start of the minute.';

--
-- Name: COLUMN depth_1m.instrument_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth_1m.instrument_id IS 'uint32.';

--
-- Name: COLUMN depth_1m.samples; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth_1m.samples IS 'Rows of depth in it.';

--
-- Name: COLUMN depth_1m.two_sided; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth_1m.two_sided IS 'Those that have a bid and an offer.';

--
-- Name: COLUMN depth_1m.spread_sum; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth_1m.spread_sum IS 'The sum of their spreads, in 1e-9; null if there is none.';

--
-- Name: COLUMN depth_1m.spread_min; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth_1m.spread_min IS 'The least spread, in 1e-9.';

--
-- Name: COLUMN depth_1m.spread_max; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth_1m.spread_max IS 'The greatest spread, in 1e-9.';

--
-- Name: COLUMN depth_1m.bid_sz_10_sum; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth_1m.bid_sz_10_sum IS 'The sum of bid_sz_10 over its samples.';

--
-- Name: COLUMN depth_1m.ask_sz_10_sum; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth_1m.ask_sz_10_sum IS 'The sum of ask_sz_10 over its samples.';

--
-- Name: COLUMN depth_1m.publisher_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth_1m.publisher_id IS 'uint16.';

--
-- Name: COLUMN depth_1m.feed_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth_1m.feed_id IS 'Of which feed.';

--
-- Name: depth_grid; Type: TABLE; Schema: depthcast; Owner: -
--

CREATE TABLE depthcast.depth_grid (
    one boolean DEFAULT true NOT NULL,
    grid_ms integer NOT NULL,
    CONSTRAINT depth_grid_grid_ms_check CHECK ((grid_ms = ANY (ARRAY[10, 20, 50, 100, 200, 250, 500, 1000]))),
    CONSTRAINT depth_grid_one_check CHECK (one)
);

--
-- Name: TABLE depth_grid; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON TABLE depthcast.depth_grid IS 'The grid of depth: one row, from the first segment on; a rebuild may change it.';

--
-- Name: COLUMN depth_grid.one; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth_grid.one IS 'There is but one row.';

--
-- Name: COLUMN depth_grid.grid_ms; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.depth_grid.grid_ms IS 'How long its intervals are, ms.';

--
-- Name: exports; Type: TABLE; Schema: depthcast; Owner: -
--

CREATE TABLE depthcast.exports (
    export_id uuid NOT NULL,
    key_id text NOT NULL,
    request jsonb NOT NULL,
    state text NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    rows_written bigint DEFAULT 0 NOT NULL,
    bytes_written bigint DEFAULT 0 NOT NULL,
    reached bigint,
    result text,
    sha256 text,
    problem text,
    runner text,
    leased timestamp with time zone,
    created timestamp with time zone DEFAULT now() NOT NULL,
    started timestamp with time zone,
    finished timestamp with time zone,
    expires timestamp with time zone NOT NULL,
    CONSTRAINT exports_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'running'::text, 'done'::text, 'failed'::text, 'cancelled'::text])))
);

--
-- Name: TABLE exports; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON TABLE depthcast.exports IS 'Exports that were asked for: shared by all tasks of the API.';

--
-- Name: COLUMN exports.export_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.export_id IS 'Its name.';

--
-- Name: COLUMN exports.key_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.key_id IS 'Of the API key that asked; without one the address that did.';

--
-- Name: COLUMN exports.request; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.request IS 'What was asked for.';

--
-- Name: COLUMN exports.state; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.state IS 'waiting, running, done, failed or cancelled.';

--
-- Name: COLUMN exports.attempts; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.attempts IS 'How often it was begun.';

--
-- Name: COLUMN exports.rows_written; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.rows_written IS 'Rows written so far.';

--
-- Name: COLUMN exports.bytes_written; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.bytes_written IS 'Bytes written so far.';

--
-- Name: COLUMN exports.reached; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.reached IS 'The time of the last row written, ns; null before the first.';

--
-- Name: COLUMN exports.result; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.result IS 'The key of the result in the object store; null until it is done.';

--
-- Name: COLUMN exports.sha256; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.sha256 IS 'Of the result, in hexadecimal; null until it is done.';

--
-- Name: COLUMN exports.problem; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.problem IS 'Why it failed; null if it did not.';

--
-- Name: COLUMN exports.runner; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.runner IS 'Which process runs it, or ran it last.';

--
-- Name: COLUMN exports.leased; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.leased IS 'Until when it is that process''s; after that another may take it.';

--
-- Name: COLUMN exports.created; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.created IS 'When it was asked for.';

--
-- Name: COLUMN exports.started; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.started IS 'When it was begun; null until then.';

--
-- Name: COLUMN exports.finished; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.finished IS 'When it was done or failed; null until then.';

--
-- Name: COLUMN exports.expires; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.exports.expires IS 'When it and its result go.';

--
-- Name: feeds; Type: TABLE; Schema: depthcast; Owner: -
--

CREATE TABLE depthcast.feeds (
    feed_id smallint NOT NULL,
    dataset text NOT NULL,
    shard text NOT NULL
);

--
-- Name: TABLE feeds; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON TABLE depthcast.feeds IS 'The journals whose segments are here.';

--
-- Name: COLUMN feeds.feed_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.feeds.feed_id IS 'Their number in this database.';

--
-- Name: COLUMN feeds.dataset; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.feeds.dataset IS 'The dataset, such as GLBX.MDP3.';

--
-- Name: COLUMN feeds.shard; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.feeds.shard IS 'The shard of its instruments.';

--
-- Name: feeds_feed_id_seq; Type: SEQUENCE; Schema: depthcast; Owner: -
--

ALTER TABLE depthcast.feeds ALTER COLUMN feed_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME depthcast.feeds_feed_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: idempotency_keys; Type: TABLE; Schema: depthcast; Owner: -
--

CREATE TABLE depthcast.idempotency_keys (
    key_id text NOT NULL,
    idempotency_key text NOT NULL,
    request_sha256 text NOT NULL,
    status smallint,
    answer jsonb,
    created timestamp with time zone DEFAULT now() NOT NULL,
    expires timestamp with time zone NOT NULL
);

--
-- Name: TABLE idempotency_keys; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON TABLE depthcast.idempotency_keys IS 'Requests that were answered: the same key and body get the same answer, another body is refused.';

--
-- Name: COLUMN idempotency_keys.key_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.idempotency_keys.key_id IS 'Of the API key that asked; without one the address that did.';

--
-- Name: COLUMN idempotency_keys.idempotency_key; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.idempotency_keys.idempotency_key IS 'As it was sent.';

--
-- Name: COLUMN idempotency_keys.request_sha256; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.idempotency_keys.request_sha256 IS 'Of the request''s path and body, in hexadecimal.';

--
-- Name: COLUMN idempotency_keys.status; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.idempotency_keys.status IS 'Of the answer; null while it is being made.';

--
-- Name: COLUMN idempotency_keys.answer; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.idempotency_keys.answer IS 'The answer''s body; null while it is being made.';

--
-- Name: COLUMN idempotency_keys.created; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.idempotency_keys.created IS 'When it was first sent.';

--
-- Name: COLUMN idempotency_keys.expires; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.idempotency_keys.expires IS 'When it is forgotten.';

--
-- Name: instruments; Type: TABLE; Schema: depthcast; Owner: -
--

CREATE TABLE depthcast.instruments (
    instrument_id bigint NOT NULL,
    feed_id smallint NOT NULL,
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
    expiration bigint
);

--
-- Name: TABLE instruments; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON TABLE depthcast.instruments IS 'What is known of each instrument: its newest definition (by ts_recv, then ts_event), else its symbol alone.';

--
-- Name: COLUMN instruments.instrument_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.instruments.instrument_id IS 'uint32.';

--
-- Name: COLUMN instruments.feed_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.instruments.feed_id IS 'Of which feed.';

--
-- Name: COLUMN instruments.publisher_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.instruments.publisher_id IS 'uint16; of the definition; null without one.';

--
-- Name: COLUMN instruments.ts_recv; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.instruments.ts_recv IS 'Of the definition, ns since the epoch; -1 without one, or if undefined.';

--
-- Name: COLUMN instruments.ts_event; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.instruments.ts_event IS 'Of the definition, ns since the epoch; -1 without one, or if undefined.';

--
-- Name: COLUMN instruments.raw_symbol; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.instruments.raw_symbol IS 'The venue''s symbol.';

--
-- Name: COLUMN instruments.asset; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.instruments.asset IS 'The underlying asset.';

--
-- Name: COLUMN instruments.exchange; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.instruments.exchange IS 'The exchange''s code.';

--
-- Name: COLUMN instruments.currency; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.instruments.currency IS 'The currency of its prices.';

--
-- Name: COLUMN instruments.security_type; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.instruments.security_type IS 'As the venue calls it.';

--
-- Name: COLUMN instruments.instrument_class; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.instruments.instrument_class IS 'One letter, as DBN has it: F is a future.';

--
-- Name: COLUMN instruments.min_price_increment; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.instruments.min_price_increment IS 'The tick, in 1e-9; null if undefined.';

--
-- Name: COLUMN instruments.display_factor; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.instruments.display_factor IS 'Price times this is what is displayed, in 1e-9.';

--
-- Name: COLUMN instruments.unit_of_measure_qty; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.instruments.unit_of_measure_qty IS 'The contract''s size, in 1e-9; null if undefined.';

--
-- Name: COLUMN instruments.expiration; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.instruments.expiration IS 'ns since the epoch; null if it has none.';

--
-- Name: ohlcv_1h; Type: VIEW; Schema: depthcast; Owner: -
--

CREATE VIEW depthcast.ohlcv_1h AS
 SELECT _materialized_hypertable_9.ts,
    _materialized_hypertable_9.instrument_id,
    _materialized_hypertable_9.open,
    _materialized_hypertable_9.high,
    _materialized_hypertable_9.low,
    _materialized_hypertable_9.close,
    _materialized_hypertable_9.volume,
    _materialized_hypertable_9.trades,
    _materialized_hypertable_9.publisher_id,
    _materialized_hypertable_9.feed_id
   FROM _timescaledb_internal._materialized_hypertable_9
  WHERE (_materialized_hypertable_9.ts < COALESCE(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(9)), '-infinity'::timestamp with time zone))
UNION ALL
 SELECT public.time_bucket('01:00:00'::interval, ohlcv_1m.ts) AS ts,
    ohlcv_1m.instrument_id,
    public.first(ohlcv_1m.open, ohlcv_1m.ts) FILTER (WHERE (ohlcv_1m.open IS NOT NULL)) AS open,
    max(ohlcv_1m.high) AS high,
    min(ohlcv_1m.low) AS low,
    public.last(ohlcv_1m.close, ohlcv_1m.ts) FILTER (WHERE (ohlcv_1m.close IS NOT NULL)) AS close,
    (sum(ohlcv_1m.volume))::bigint AS volume,
    (sum(ohlcv_1m.trades))::bigint AS trades,
    ohlcv_1m.publisher_id,
    ohlcv_1m.feed_id
   FROM depthcast.ohlcv_1m
  WHERE (ohlcv_1m.ts >= COALESCE(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(9)), '-infinity'::timestamp with time zone))
  GROUP BY (public.time_bucket('01:00:00'::interval, ohlcv_1m.ts)), ohlcv_1m.instrument_id, ohlcv_1m.publisher_id, ohlcv_1m.feed_id;

--
-- Name: VIEW ohlcv_1h; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON VIEW depthcast.ohlcv_1h IS 'Bars of the trades of each book, of 1 h; none where there was no trade.';

--
-- Name: COLUMN ohlcv_1h.ts; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1h.ts IS 'The start of the interval; a trade at that very time belongs to it.';

--
-- Name: COLUMN ohlcv_1h.instrument_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1h.instrument_id IS 'uint32.';

--
-- Name: COLUMN ohlcv_1h.open; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1h.open IS 'Price of its first trade that has one, in 1e-9; null if none has.';

--
-- Name: COLUMN ohlcv_1h.high; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1h.high IS 'The highest price, in 1e-9.';

--
-- Name: COLUMN ohlcv_1h.low; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1h.low IS 'The lowest price, in 1e-9.';

--
-- Name: COLUMN ohlcv_1h.close; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1h.close IS 'Price of its last trade that has one, in 1e-9.';

--
-- Name: COLUMN ohlcv_1h.volume; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1h.volume IS 'The sum of the sizes that are defined.';

--
-- Name: COLUMN ohlcv_1h.trades; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1h.trades IS 'How many there were.';

--
-- Name: COLUMN ohlcv_1h.publisher_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1h.publisher_id IS 'uint16.';

--
-- Name: COLUMN ohlcv_1h.feed_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.ohlcv_1h.feed_id IS 'Of which feed.';

--
-- Name: segments; Type: TABLE; Schema: depthcast; Owner: -
--

CREATE TABLE depthcast.segments (
    feed_id smallint NOT NULL,
    epoch integer NOT NULL,
    "position" bigint NOT NULL,
    records bigint NOT NULL,
    until bigint NOT NULL,
    first_ts timestamp with time zone,
    last_ts timestamp with time zone,
    stored_bytes bigint NOT NULL,
    sha256 text NOT NULL,
    key text NOT NULL,
    trades bigint NOT NULL,
    bbo bigint NOT NULL,
    depth bigint NOT NULL,
    version text NOT NULL,
    compacted_at timestamp with time zone DEFAULT now() NOT NULL
);

--
-- Name: TABLE segments; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON TABLE depthcast.segments IS 'The ledger: the segments of the journal whose rows are here.';

--
-- Name: COLUMN segments.feed_id; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.segments.feed_id IS 'Of which feed.';

--
-- Name: COLUMN segments.epoch; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.segments.epoch IS 'The number of the writer''s life.';

--
-- Name: COLUMN segments."position"; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.segments."position" IS 'Of its first record in the feed.';

--
-- Name: COLUMN segments.records; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.segments.records IS 'How many it has.';

--
-- Name: COLUMN segments.until; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.segments.until IS 'Records from this position on do not count, for a newer epoch has them; else the position after the last one.';

--
-- Name: COLUMN segments.first_ts; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.segments.first_ts IS 'The earliest ts of its rows; null if it has none.';

--
-- Name: COLUMN segments.last_ts; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.segments.last_ts IS 'The latest ts of its rows; null if it has none.';

--
-- Name: COLUMN segments.stored_bytes; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.segments.stored_bytes IS 'Of its file.';

--
-- Name: COLUMN segments.sha256; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.segments.sha256 IS 'Of its file, in hexadecimal.';

--
-- Name: COLUMN segments.key; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.segments.key IS 'Its key in the object store, or its path below the journal''s folder.';

--
-- Name: COLUMN segments.trades; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.segments.trades IS 'Rows of trades that its records give.';

--
-- Name: COLUMN segments.bbo; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.segments.bbo IS 'Rows of bbo that its records give.';

--
-- Name: COLUMN segments.depth; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.segments.depth IS 'Intervals of books in which its records give a row of depth; of a merged segment, the sum over its parts.';

--
-- Name: COLUMN segments.version; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.segments.version IS 'What compacted it.';

--
-- Name: COLUMN segments.compacted_at; Type: COMMENT; Schema: depthcast; Owner: -
--

COMMENT ON COLUMN depthcast.segments.compacted_at IS 'When.';

--
-- Name: bbo; Type: VIEW; Schema: history; Owner: -
--

CREATE VIEW history.bbo AS
 SELECT f.dataset,
    f.shard,
    b.instrument_id,
    b.publisher_id,
    b.ts,
    b.epoch,
    b."position",
    b.ordinal,
    b.ts_event,
    b.ts_recv,
    b.ts_in_delta,
    b.sequence,
    (b.action)::text AS action,
    (b.side)::text AS side,
    b.depth,
    b.flags,
    ((b.price)::numeric * 0.000000001) AS price,
    b.size,
    ((b.bid_px)::numeric * 0.000000001) AS bid_px,
    b.bid_sz,
    b.bid_ct,
    ((b.ask_px)::numeric * 0.000000001) AS ask_px,
    b.ask_sz,
    b.ask_ct,
    b.price AS price_1e9,
    b.bid_px AS bid_px_1e9,
    b.ask_px AS ask_px_1e9
   FROM (depthcast.bbo b
     JOIN depthcast.feeds f USING (feed_id));

--
-- Name: VIEW bbo; Type: COMMENT; Schema: history; Owner: -
--

COMMENT ON VIEW history.bbo IS 'Every trade and every change of the best bid and offer.';

--
-- Name: bbo_1s; Type: VIEW; Schema: history; Owner: -
--

CREATE VIEW history.bbo_1s AS
 SELECT f.dataset,
    f.shard,
    b.instrument_id,
    b.publisher_id,
    b.ts,
    b."position",
    b.sequence,
    b.flags,
    b.updates,
    ((b.bid_px)::numeric * 0.000000001) AS bid_px,
    b.bid_sz,
    b.bid_ct,
    ((b.ask_px)::numeric * 0.000000001) AS ask_px,
    b.ask_sz,
    b.ask_ct,
    b.bid_px AS bid_px_1e9,
    b.ask_px AS ask_px_1e9
   FROM (depthcast.bbo_1s b
     JOIN depthcast.feeds f USING (feed_id));

--
-- Name: VIEW bbo_1s; Type: COMMENT; Schema: history; Owner: -
--

COMMENT ON VIEW history.bbo_1s IS 'The best bid and offer of each book at the end of every second in which it had a row of bbo.';

--
-- Name: depth; Type: VIEW; Schema: history; Owner: -
--

CREATE VIEW history.depth AS
 SELECT f.dataset,
    f.shard,
    d.instrument_id,
    d.publisher_id,
    d.ts,
    d.epoch,
    d."position",
    d.ts_event,
    d.ts_recv,
    d.sequence,
    d.flags,
    ((d.bid_px)::numeric * 0.000000001) AS bid_px,
    d.bid_sz,
    d.bid_ct,
    ((d.ask_px)::numeric * 0.000000001) AS ask_px,
    d.ask_sz,
    d.ask_ct,
    ARRAY( SELECT ((l.px)::numeric * 0.000000001)
           FROM unnest(d.bid_pxs) WITH ORDINALITY l(px, n)
          ORDER BY l.n) AS bid_pxs,
    d.bid_szs,
    d.bid_cts,
    ARRAY( SELECT ((l.px)::numeric * 0.000000001)
           FROM unnest(d.ask_pxs) WITH ORDINALITY l(px, n)
          ORDER BY l.n) AS ask_pxs,
    d.ask_szs,
    d.ask_cts,
    d.bid_pxs AS bid_pxs_1e9,
    d.ask_pxs AS ask_pxs_1e9
   FROM (depthcast.depth d
     JOIN depthcast.feeds f USING (feed_id));

--
-- Name: VIEW depth; Type: COMMENT; Schema: history; Owner: -
--

COMMENT ON VIEW history.depth IS 'Ten levels of each book at the end of every interval of the grid (depth_grid, a second or less) in which they changed.';

--
-- Name: depth_1m; Type: VIEW; Schema: history; Owner: -
--

CREATE VIEW history.depth_1m AS
 SELECT f.dataset,
    f.shard,
    d.instrument_id,
    d.publisher_id,
    d.ts,
    d.samples,
    d.two_sided,
    ((d.spread_sum / (NULLIF(d.two_sided, 0))::numeric) * 0.000000001) AS spread_mean,
    (d.spread_min * 0.000000001) AS spread_min,
    (d.spread_max * 0.000000001) AS spread_max,
    (d.bid_sz_10_sum / (d.samples)::numeric) AS bid_sz_10_mean,
    (d.ask_sz_10_sum / (d.samples)::numeric) AS ask_sz_10_mean
   FROM (depthcast.depth_1m d
     JOIN depthcast.feeds f USING (feed_id));

--
-- Name: VIEW depth_1m; Type: COMMENT; Schema: history; Owner: -
--

COMMENT ON VIEW history.depth_1m IS 'How deep each book was in every minute.';

--
-- Name: depth_grid; Type: VIEW; Schema: history; Owner: -
--

CREATE VIEW history.depth_grid AS
 SELECT depth_grid.grid_ms
   FROM depthcast.depth_grid;

--
-- Name: VIEW depth_grid; Type: COMMENT; Schema: history; Owner: -
--

COMMENT ON VIEW history.depth_grid IS 'How long the intervals are at whose ends depth has a row, ms.';

--
-- Name: instruments; Type: VIEW; Schema: history; Owner: -
--

CREATE VIEW history.instruments AS
 SELECT f.dataset,
    f.shard,
    i.instrument_id,
    i.publisher_id,
    i.raw_symbol,
    i.asset,
    i.exchange,
    i.currency,
    i.security_type,
    i.instrument_class,
    ((i.min_price_increment)::numeric * 0.000000001) AS min_price_increment,
    ((i.display_factor)::numeric * 0.000000001) AS display_factor,
    ((i.unit_of_measure_qty)::numeric * 0.000000001) AS unit_of_measure_qty,
    i.expiration
   FROM (depthcast.instruments i
     JOIN depthcast.feeds f USING (feed_id));

--
-- Name: VIEW instruments; Type: COMMENT; Schema: history; Owner: -
--

COMMENT ON VIEW history.instruments IS 'Instruments, and what their newest definitions say.';

--
-- Name: ohlcv_1h; Type: VIEW; Schema: history; Owner: -
--

CREATE VIEW history.ohlcv_1h AS
 SELECT f.dataset,
    f.shard,
    o.instrument_id,
    o.publisher_id,
    o.ts,
    ((o.open)::numeric * 0.000000001) AS open,
    ((o.high)::numeric * 0.000000001) AS high,
    ((o.low)::numeric * 0.000000001) AS low,
    ((o.close)::numeric * 0.000000001) AS close,
    o.volume,
    o.trades,
    o.open AS open_1e9,
    o.high AS high_1e9,
    o.low AS low_1e9,
    o.close AS close_1e9
   FROM (depthcast.ohlcv_1h o
     JOIN depthcast.feeds f USING (feed_id));

--
-- Name: VIEW ohlcv_1h; Type: COMMENT; Schema: history; Owner: -
--

COMMENT ON VIEW history.ohlcv_1h IS 'Bars of an hour.';

--
-- Name: ohlcv_1m; Type: VIEW; Schema: history; Owner: -
--

CREATE VIEW history.ohlcv_1m AS
 SELECT f.dataset,
    f.shard,
    o.instrument_id,
    o.publisher_id,
    o.ts,
    ((o.open)::numeric * 0.000000001) AS open,
    ((o.high)::numeric * 0.000000001) AS high,
    ((o.low)::numeric * 0.000000001) AS low,
    ((o.close)::numeric * 0.000000001) AS close,
    o.volume,
    o.trades,
    o.open AS open_1e9,
    o.high AS high_1e9,
    o.low AS low_1e9,
    o.close AS close_1e9
   FROM (depthcast.ohlcv_1m o
     JOIN depthcast.feeds f USING (feed_id));

--
-- Name: VIEW ohlcv_1m; Type: COMMENT; Schema: history; Owner: -
--

COMMENT ON VIEW history.ohlcv_1m IS 'Bars of a minute.';

--
-- Name: ohlcv_1s; Type: VIEW; Schema: history; Owner: -
--

CREATE VIEW history.ohlcv_1s AS
 SELECT f.dataset,
    f.shard,
    o.instrument_id,
    o.publisher_id,
    o.ts,
    ((o.open)::numeric * 0.000000001) AS open,
    ((o.high)::numeric * 0.000000001) AS high,
    ((o.low)::numeric * 0.000000001) AS low,
    ((o.close)::numeric * 0.000000001) AS close,
    o.volume,
    o.trades,
    o.open AS open_1e9,
    o.high AS high_1e9,
    o.low AS low_1e9,
    o.close AS close_1e9
   FROM (depthcast.ohlcv_1s o
     JOIN depthcast.feeds f USING (feed_id));

--
-- Name: VIEW ohlcv_1s; Type: COMMENT; Schema: history; Owner: -
--

COMMENT ON VIEW history.ohlcv_1s IS 'Bars of a second.';

--
-- Name: segments; Type: VIEW; Schema: history; Owner: -
--

CREATE VIEW history.segments AS
 SELECT f.dataset,
    f.shard,
    s.epoch,
    s."position",
    s.records,
    s.until,
    s.first_ts,
    s.last_ts,
    s.stored_bytes,
    s.sha256,
    s.key,
    s.trades,
    s.bbo,
    s.depth,
    s.version,
    s.compacted_at
   FROM (depthcast.segments s
     JOIN depthcast.feeds f USING (feed_id));

--
-- Name: VIEW segments; Type: COMMENT; Schema: history; Owner: -
--

COMMENT ON VIEW history.segments IS 'The segments of the journals that are in the tables.';

--
-- Name: trades; Type: VIEW; Schema: history; Owner: -
--

CREATE VIEW history.trades AS
 SELECT f.dataset,
    f.shard,
    t.instrument_id,
    t.publisher_id,
    t.ts,
    t.epoch,
    t."position",
    t.ordinal,
    t.ts_event,
    t.ts_recv,
    t.ts_in_delta,
    t.sequence,
        CASE
            WHEN (t.order_id < 0) THEN ((t.order_id)::numeric + '18446744073709551616'::numeric)
            ELSE (t.order_id)::numeric
        END AS order_id,
    ((t.price)::numeric * 0.000000001) AS price,
    t.size,
    (t.side)::text AS side,
    t.depth,
    t.flags,
    t.price AS price_1e9
   FROM (depthcast.trades t
     JOIN depthcast.feeds f USING (feed_id));

--
-- Name: VIEW trades; Type: COMMENT; Schema: history; Owner: -
--

COMMENT ON VIEW history.trades IS 'Every trade.';

--
-- Name: alembic_version alembic_version_pkc; Type: CONSTRAINT; Schema: depthcast; Owner: -
--

ALTER TABLE ONLY depthcast.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

--
-- Name: api_keys api_keys_pkey; Type: CONSTRAINT; Schema: depthcast; Owner: -
--

ALTER TABLE ONLY depthcast.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (key_id);

--
-- Name: bbo bbo_pkey; Type: CONSTRAINT; Schema: depthcast; Owner: -
--

ALTER TABLE ONLY depthcast.bbo
    ADD CONSTRAINT bbo_pkey PRIMARY KEY (instrument_id, ts, "position", epoch, ordinal, feed_id);

--
-- Name: depth_grid depth_grid_pkey; Type: CONSTRAINT; Schema: depthcast; Owner: -
--

ALTER TABLE ONLY depthcast.depth_grid
    ADD CONSTRAINT depth_grid_pkey PRIMARY KEY (one);

--
-- Name: depth depth_pkey; Type: CONSTRAINT; Schema: depthcast; Owner: -
--

ALTER TABLE ONLY depthcast.depth
    ADD CONSTRAINT depth_pkey PRIMARY KEY (instrument_id, ts, publisher_id, feed_id);

--
-- Name: exports exports_pkey; Type: CONSTRAINT; Schema: depthcast; Owner: -
--

ALTER TABLE ONLY depthcast.exports
    ADD CONSTRAINT exports_pkey PRIMARY KEY (export_id);

--
-- Name: feeds feeds_dataset_shard_key; Type: CONSTRAINT; Schema: depthcast; Owner: -
--

ALTER TABLE ONLY depthcast.feeds
    ADD CONSTRAINT feeds_dataset_shard_key UNIQUE (dataset, shard);

--
-- Name: feeds feeds_pkey; Type: CONSTRAINT; Schema: depthcast; Owner: -
--

ALTER TABLE ONLY depthcast.feeds
    ADD CONSTRAINT feeds_pkey PRIMARY KEY (feed_id);

--
-- Name: idempotency_keys idempotency_keys_pkey; Type: CONSTRAINT; Schema: depthcast; Owner: -
--

ALTER TABLE ONLY depthcast.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (key_id, idempotency_key);

--
-- Name: instruments instruments_pkey; Type: CONSTRAINT; Schema: depthcast; Owner: -
--

ALTER TABLE ONLY depthcast.instruments
    ADD CONSTRAINT instruments_pkey PRIMARY KEY (feed_id, instrument_id);

--
-- Name: segments segments_pkey; Type: CONSTRAINT; Schema: depthcast; Owner: -
--

ALTER TABLE ONLY depthcast.segments
    ADD CONSTRAINT segments_pkey PRIMARY KEY (feed_id, epoch, "position", records);

--
-- Name: trades trades_pkey; Type: CONSTRAINT; Schema: depthcast; Owner: -
--

ALTER TABLE ONLY depthcast.trades
    ADD CONSTRAINT trades_pkey PRIMARY KEY (instrument_id, ts, "position", epoch, ordinal, feed_id);

--
-- Name: bbo_ts; Type: INDEX; Schema: depthcast; Owner: -
--

CREATE INDEX bbo_ts ON depthcast.bbo USING brin (ts);

--
-- Name: depth_ts; Type: INDEX; Schema: depthcast; Owner: -
--

CREATE INDEX depth_ts ON depthcast.depth USING brin (ts);

--
-- Name: exports_waiting; Type: INDEX; Schema: depthcast; Owner: -
--

CREATE INDEX exports_waiting ON depthcast.exports USING btree (created) WHERE (state = ANY (ARRAY['waiting'::text, 'running'::text]));

--
-- Name: idempotency_keys_expires; Type: INDEX; Schema: depthcast; Owner: -
--

CREATE INDEX idempotency_keys_expires ON depthcast.idempotency_keys USING btree (expires);

--
-- Name: trades_ts; Type: INDEX; Schema: depthcast; Owner: -
--

CREATE INDEX trades_ts ON depthcast.trades USING brin (ts);

--
-- Name: instruments instruments_feed_id_fkey; Type: FK CONSTRAINT; Schema: depthcast; Owner: -
--

ALTER TABLE ONLY depthcast.instruments
    ADD CONSTRAINT instruments_feed_id_fkey FOREIGN KEY (feed_id) REFERENCES depthcast.feeds(feed_id);

--
-- Name: segments segments_feed_id_fkey; Type: FK CONSTRAINT; Schema: depthcast; Owner: -
--

ALTER TABLE ONLY depthcast.segments
    ADD CONSTRAINT segments_feed_id_fkey FOREIGN KEY (feed_id) REFERENCES depthcast.feeds(feed_id);

--
-- Name: SCHEMA depthcast; Type: ACL; Schema: -; Owner: -
--

GRANT USAGE ON SCHEMA depthcast TO depthcast_writer;
GRANT USAGE ON SCHEMA depthcast TO depthcast_reader;

--
-- Name: SCHEMA history; Type: ACL; Schema: -; Owner: -
--

GRANT USAGE ON SCHEMA history TO depthcast_writer;
GRANT USAGE ON SCHEMA history TO depthcast_reader;

--
-- Name: FUNCTION drop_before(which text, moment timestamp with time zone); Type: ACL; Schema: depthcast; Owner: -
--

REVOKE ALL ON FUNCTION depthcast.drop_before(which text, moment timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION depthcast.drop_before(which text, moment timestamp with time zone) TO depthcast_writer;

--
-- Name: FUNCTION empty_history(); Type: ACL; Schema: depthcast; Owner: -
--

REVOKE ALL ON FUNCTION depthcast.empty_history() FROM PUBLIC;
GRANT ALL ON FUNCTION depthcast.empty_history() TO depthcast_writer;

--
-- Name: PROCEDURE keep_rollups(IN job_id integer, IN config jsonb); Type: ACL; Schema: depthcast; Owner: -
--

REVOKE ALL ON PROCEDURE depthcast.keep_rollups(IN job_id integer, IN config jsonb) FROM PUBLIC;
GRANT ALL ON PROCEDURE depthcast.keep_rollups(IN job_id integer, IN config jsonb) TO depthcast_writer;

--
-- Name: FUNCTION kept_until(); Type: ACL; Schema: depthcast; Owner: -
--

REVOKE ALL ON FUNCTION depthcast.kept_until() FROM PUBLIC;
GRANT ALL ON FUNCTION depthcast.kept_until() TO depthcast_writer;

--
-- Name: FUNCTION make_partitions(days date[]); Type: ACL; Schema: depthcast; Owner: -
--

REVOKE ALL ON FUNCTION depthcast.make_partitions(days date[]) FROM PUBLIC;
GRANT ALL ON FUNCTION depthcast.make_partitions(days date[]) TO depthcast_writer;

--
-- Name: FUNCTION refresh_rollups(feed smallint, of_epoch integer, begun bigint, ended bigint, first_ts timestamp with time zone, last_ts timestamp with time zone); Type: ACL; Schema: depthcast; Owner: -
--

REVOKE ALL ON FUNCTION depthcast.refresh_rollups(feed smallint, of_epoch integer, begun bigint, ended bigint, first_ts timestamp with time zone, last_ts timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION depthcast.refresh_rollups(feed smallint, of_epoch integer, begun bigint, ended bigint, first_ts timestamp with time zone, last_ts timestamp with time zone) TO depthcast_writer;

--
-- Name: TABLE bbo; Type: ACL; Schema: depthcast; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE depthcast.bbo TO depthcast_writer;

--
-- Name: TABLE depth; Type: ACL; Schema: depthcast; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE depthcast.depth TO depthcast_writer;

--
-- Name: TABLE trades; Type: ACL; Schema: depthcast; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE depthcast.trades TO depthcast_writer;

--
-- Name: TABLE alembic_version; Type: ACL; Schema: depthcast; Owner: -
--

GRANT SELECT ON TABLE depthcast.alembic_version TO depthcast_writer;
GRANT SELECT ON TABLE depthcast.alembic_version TO depthcast_reader;

--
-- Name: TABLE api_keys; Type: ACL; Schema: depthcast; Owner: -
--

GRANT SELECT ON TABLE depthcast.api_keys TO depthcast_reader;

--
-- Name: TABLE depth_grid; Type: ACL; Schema: depthcast; Owner: -
--

GRANT SELECT,INSERT,UPDATE ON TABLE depthcast.depth_grid TO depthcast_writer;

--
-- Name: TABLE exports; Type: ACL; Schema: depthcast; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE depthcast.exports TO depthcast_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE depthcast.exports TO depthcast_reader;

--
-- Name: TABLE feeds; Type: ACL; Schema: depthcast; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE depthcast.feeds TO depthcast_writer;

--
-- Name: TABLE idempotency_keys; Type: ACL; Schema: depthcast; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE depthcast.idempotency_keys TO depthcast_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE depthcast.idempotency_keys TO depthcast_reader;

--
-- Name: TABLE instruments; Type: ACL; Schema: depthcast; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE depthcast.instruments TO depthcast_writer;

--
-- Name: TABLE segments; Type: ACL; Schema: depthcast; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE depthcast.segments TO depthcast_writer;

--
-- Name: TABLE bbo; Type: ACL; Schema: history; Owner: -
--

GRANT SELECT ON TABLE history.bbo TO depthcast_reader;
GRANT SELECT ON TABLE history.bbo TO depthcast_writer;

--
-- Name: TABLE bbo_1s; Type: ACL; Schema: history; Owner: -
--

GRANT SELECT ON TABLE history.bbo_1s TO depthcast_reader;
GRANT SELECT ON TABLE history.bbo_1s TO depthcast_writer;

--
-- Name: TABLE depth; Type: ACL; Schema: history; Owner: -
--

GRANT SELECT ON TABLE history.depth TO depthcast_reader;
GRANT SELECT ON TABLE history.depth TO depthcast_writer;

--
-- Name: TABLE depth_1m; Type: ACL; Schema: history; Owner: -
--

GRANT SELECT ON TABLE history.depth_1m TO depthcast_reader;
GRANT SELECT ON TABLE history.depth_1m TO depthcast_writer;

--
-- Name: TABLE depth_grid; Type: ACL; Schema: history; Owner: -
--

GRANT SELECT ON TABLE history.depth_grid TO depthcast_reader;
GRANT SELECT ON TABLE history.depth_grid TO depthcast_writer;

--
-- Name: TABLE instruments; Type: ACL; Schema: history; Owner: -
--

GRANT SELECT ON TABLE history.instruments TO depthcast_reader;
GRANT SELECT ON TABLE history.instruments TO depthcast_writer;

--
-- Name: TABLE ohlcv_1h; Type: ACL; Schema: history; Owner: -
--

GRANT SELECT ON TABLE history.ohlcv_1h TO depthcast_reader;
GRANT SELECT ON TABLE history.ohlcv_1h TO depthcast_writer;

--
-- Name: TABLE ohlcv_1m; Type: ACL; Schema: history; Owner: -
--

GRANT SELECT ON TABLE history.ohlcv_1m TO depthcast_reader;
GRANT SELECT ON TABLE history.ohlcv_1m TO depthcast_writer;

--
-- Name: TABLE ohlcv_1s; Type: ACL; Schema: history; Owner: -
--

GRANT SELECT ON TABLE history.ohlcv_1s TO depthcast_reader;
GRANT SELECT ON TABLE history.ohlcv_1s TO depthcast_writer;

--
-- Name: TABLE segments; Type: ACL; Schema: history; Owner: -
--

GRANT SELECT ON TABLE history.segments TO depthcast_reader;
GRANT SELECT ON TABLE history.segments TO depthcast_writer;

--
-- Name: TABLE trades; Type: ACL; Schema: history; Owner: -
--

GRANT SELECT ON TABLE history.trades TO depthcast_reader;
GRANT SELECT ON TABLE history.trades TO depthcast_writer;

--
-- PostgreSQL database dump complete
--
