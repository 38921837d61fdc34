-- Rows of a finer grid are what the older schema does not know: they go, and their segments are asked for again.
SELECT depthcast.empty_history() FROM depthcast.depth_grid WHERE grid_ms <> 1000;
DROP VIEW history.depth_grid;
DROP TABLE depthcast.depth_grid;
UPDATE depthcast.exports
SET request = request - 'step_ms' || jsonb_build_object('step_s', (request -> 'step_ms')::bigint / 1000)
WHERE request ? 'step_ms';
COMMENT ON TABLE depthcast.depth IS
  'Ten levels of each book at every full second in which they changed: the last mbp-10 record of each.';
COMMENT ON COLUMN depthcast.depth.ts IS 'The end of the second; a record at that very time belongs to it.';
COMMENT ON VIEW history.depth IS 'Ten levels of each book at every full second in which they changed.';
COMMENT ON COLUMN depthcast.segments.depth IS
  'Seconds of books in which its records give a row of depth; of a merged segment, the sum over its parts.';
