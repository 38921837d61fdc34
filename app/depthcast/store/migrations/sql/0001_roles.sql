-- Who may do what. The schemas belong to whoever migrates (the owner). The roles are the server's, so that several
-- databases share them; they can log in once they are given a password, or rds_iam on Amazon RDS.
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['depthcast_writer', 'depthcast_reader'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I LOGIN', wanted);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;  -- another database's migration was faster
      END;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') THEN
      EXECUTE format('GRANT rds_iam TO %I', wanted);
    END IF;
  END LOOP;
  EXECUTE format('ALTER ROLE depthcast_writer IN DATABASE %I SET statement_timeout = ''10min''', current_database());
  EXECUTE format('ALTER ROLE depthcast_writer IN DATABASE %I SET lock_timeout = ''5min''', current_database());
  EXECUTE format('ALTER ROLE depthcast_writer IN DATABASE %I SET idle_in_transaction_session_timeout = ''5min''',
                 current_database());
  EXECUTE format('ALTER ROLE depthcast_reader IN DATABASE %I SET statement_timeout = ''15s''', current_database());
  EXECUTE format('ALTER ROLE depthcast_reader IN DATABASE %I SET idle_in_transaction_session_timeout = ''30s''',
                 current_database());
END
$$;
