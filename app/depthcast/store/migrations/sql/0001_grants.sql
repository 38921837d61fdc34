-- The writer compacts and maintains; the reader reads the views, and shares exports and idempotency keys.
GRANT USAGE ON SCHEMA depthcast, history TO depthcast_writer, depthcast_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON depthcast.feeds, depthcast.instruments, depthcast.segments, depthcast.trades,
  depthcast.bbo, depthcast.depth, depthcast.exports, depthcast.idempotency_keys TO depthcast_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA history TO depthcast_reader, depthcast_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON depthcast.exports, depthcast.idempotency_keys TO depthcast_reader;
GRANT SELECT ON depthcast.api_keys TO depthcast_reader;
GRANT SELECT ON depthcast.alembic_version TO depthcast_writer, depthcast_reader;
REVOKE ALL ON ALL ROUTINES IN SCHEMA depthcast FROM PUBLIC;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA depthcast TO depthcast_writer;
