-- Everything of it goes, the data too. The roles stay: they are the server's, and other databases may use them.
DROP SCHEMA history CASCADE;
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    PERFORM delete_job(job_id) FROM timescaledb_information.jobs WHERE proc_schema = 'depthcast';
  END IF;
END
$$;
DROP TABLE depthcast.trades, depthcast.bbo, depthcast.depth, depthcast.segments, depthcast.instruments, depthcast.feeds,
  depthcast.api_keys, depthcast.exports, depthcast.idempotency_keys CASCADE;
DO $$
DECLARE
  left_over record;
BEGIN
  FOR left_over IN SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = 'depthcast'::regnamespace LOOP
    EXECUTE 'DROP ROUTINE ' || left_over.name;
  END LOOP;
  -- Rollups are tables on a plain server; with TimescaleDB they went with what they are made of.
  FOR left_over IN SELECT oid::regclass AS name FROM pg_class
    WHERE relnamespace = 'depthcast'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
      AND relname <> 'alembic_version' LOOP
    EXECUTE format('DROP TABLE %s', left_over.name);
  END LOOP;
  EXECUTE format('ALTER ROLE depthcast_writer IN DATABASE %I RESET ALL', current_database());
  EXECUTE format('ALTER ROLE depthcast_reader IN DATABASE %I RESET ALL', current_database());
END
$$;
