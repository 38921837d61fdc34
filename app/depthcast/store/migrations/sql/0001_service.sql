CREATE TABLE depthcast.api_keys (
  key_id text PRIMARY KEY,
  name text NOT NULL,
  sha256 text NOT NULL,
  scopes text[] NOT NULL,
  created timestamptz NOT NULL,
  expires timestamptz,
  revoked timestamptz
);
COMMENT ON TABLE depthcast.api_keys IS 'The API''s keys, hashed.';
COMMENT ON COLUMN depthcast.api_keys.key_id IS 'The part of the token that may be shown.';
COMMENT ON COLUMN depthcast.api_keys.name IS 'Who has it.';
COMMENT ON COLUMN depthcast.api_keys.sha256 IS 'Of the token, in hexadecimal.';
COMMENT ON COLUMN depthcast.api_keys.scopes IS 'What it allows: read, replay, admin.';
COMMENT ON COLUMN depthcast.api_keys.created IS 'When it was made.';
COMMENT ON COLUMN depthcast.api_keys.expires IS 'From when on it is not accepted; null for never.';
COMMENT ON COLUMN depthcast.api_keys.revoked IS 'When it was revoked; null if it was not.';

CREATE TABLE depthcast.exports (
  export_id uuid PRIMARY KEY,
  key_id text NOT NULL,
  request jsonb NOT NULL,
  state text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
  attempts smallint NOT NULL DEFAULT 0,
  rows_written bigint NOT NULL DEFAULT 0,
  bytes_written bigint NOT NULL DEFAULT 0,
  reached bigint,
  result text,
  sha256 text,
  problem text,
  runner text,
  leased timestamptz,
  created timestamptz NOT NULL DEFAULT now(),
  started timestamptz,
  finished timestamptz,
  expires timestamptz NOT NULL
);
CREATE INDEX exports_waiting ON depthcast.exports (created) WHERE state IN ('waiting', 'running');
COMMENT ON TABLE depthcast.exports IS 'Exports that were asked for: shared by all tasks of the API.';
COMMENT ON COLUMN depthcast.exports.export_id IS 'Its name.';
COMMENT ON COLUMN depthcast.exports.key_id IS 'Of the API key that asked; without one the address that did.';
COMMENT ON COLUMN depthcast.exports.request IS 'What was asked for.';
COMMENT ON COLUMN depthcast.exports.state IS 'waiting, running, done, failed or cancelled.';
COMMENT ON COLUMN depthcast.exports.attempts IS 'How often it was begun.';
COMMENT ON COLUMN depthcast.exports.rows_written IS 'Rows written so far.';
COMMENT ON COLUMN depthcast.exports.bytes_written IS 'Bytes written so far.';
COMMENT ON COLUMN depthcast.exports.reached IS 'The time of the last row written, ns; null before the first.';
COMMENT ON COLUMN depthcast.exports.result IS 'The key of the result in the object store; null until it is done.';
COMMENT ON COLUMN depthcast.exports.sha256 IS 'Of the result, in hexadecimal; null until it is done.';
COMMENT ON COLUMN depthcast.exports.problem IS 'Why it failed; null if it did not.';
COMMENT ON COLUMN depthcast.exports.runner IS 'Which process runs it, or ran it last.';
COMMENT ON COLUMN depthcast.exports.leased IS 'Until when it is that process''s; after that another may take it.';
COMMENT ON COLUMN depthcast.exports.created IS 'When it was asked for.';
COMMENT ON COLUMN depthcast.exports.started IS 'When it was begun; null until then.';
COMMENT ON COLUMN depthcast.exports.finished IS 'When it was done or failed; null until then.';
COMMENT ON COLUMN depthcast.exports.expires IS 'When it and its result go.';

CREATE TABLE depthcast.idempotency_keys (
  key_id text NOT NULL,
  idempotency_key text NOT NULL,
  request_sha256 text NOT NULL,
  status smallint,
  answer jsonb,
  created timestamptz NOT NULL DEFAULT now(),
  expires timestamptz NOT NULL,
  PRIMARY KEY (key_id, idempotency_key)
);
CREATE INDEX idempotency_keys_expires ON depthcast.idempotency_keys (expires);
COMMENT ON TABLE depthcast.idempotency_keys IS
  'Requests that were answered: the same key and body get the same answer, another body is refused.';
COMMENT ON COLUMN depthcast.idempotency_keys.key_id IS 'Of the API key that asked; without one the address that did.';
COMMENT ON COLUMN depthcast.idempotency_keys.idempotency_key IS 'As it was sent.';
COMMENT ON COLUMN depthcast.idempotency_keys.request_sha256 IS 'Of the request''s path and body, in hexadecimal.';
COMMENT ON COLUMN depthcast.idempotency_keys.status IS 'Of the answer; null while it is being made.';
COMMENT ON COLUMN depthcast.idempotency_keys.answer IS 'The answer''s body; null while it is being made.';
COMMENT ON COLUMN depthcast.idempotency_keys.created IS 'When it was first sent.';
COMMENT ON COLUMN depthcast.idempotency_keys.expires IS 'When it is forgotten.';

COMMENT ON TABLE depthcast.alembic_version IS 'Which migration the schema has.';
COMMENT ON COLUMN depthcast.alembic_version.version_num IS 'The revision.';
