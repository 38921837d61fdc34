-- Rows of depth were at full seconds; now they may be on a finer grid, which all who write must agree on.

CREATE TABLE depthcast.depth_grid (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  grid_ms integer NOT NULL CHECK (grid_ms IN (10, 20, 50, 100, 200, 250, 500, 1000))
);
COMMENT ON TABLE depthcast.depth_grid IS 'The grid of depth: one row, from the first segment on; a rebuild may change it.';
COMMENT ON COLUMN depthcast.depth_grid.one IS 'There is but one row.';
COMMENT ON COLUMN depthcast.depth_grid.grid_ms IS 'How long its intervals are, ms.';
INSERT INTO depthcast.depth_grid (grid_ms) SELECT 1000 WHERE EXISTS (SELECT FROM depthcast.segments);

CREATE VIEW history.depth_grid AS SELECT grid_ms FROM depthcast.depth_grid;
COMMENT ON VIEW history.depth_grid IS 'How long the intervals are at whose ends depth has a row, ms.';

GRANT SELECT, INSERT, UPDATE ON depthcast.depth_grid TO depthcast_writer;
GRANT SELECT ON history.depth_grid TO depthcast_reader, depthcast_writer;

-- Exports say their step in ms.
UPDATE depthcast.exports
SET request = request - 'step_s' || jsonb_build_object('step_ms', (request -> 'step_s')::bigint * 1000)
WHERE request ? 'step_s';

COMMENT ON TABLE depthcast.depth IS
  'Ten levels of each book at the end of every interval of the grid in which they changed: its last mbp-10 record.';
COMMENT ON COLUMN depthcast.depth.ts IS 'The end of the interval; a record at that very time belongs to it.';
COMMENT ON VIEW history.depth IS
  'Ten levels of each book at the end of every interval of the grid (depth_grid, a second or less) in which they changed.';
COMMENT ON COLUMN depthcast.segments.depth IS
  'Intervals of books in which its records give a row of depth; of a merged segment, the sum over its parts.';
