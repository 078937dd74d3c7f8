-- Second of two steps, see 005: every event of before has its place and its salt. Catalogue alone: the index of each partition is
-- there already, but for partitions made just now.

LOCK TABLE audit.events IN SHARE ROW EXCLUSIVE MODE;
CREATE INDEX events_seq ON ONLY audit.events (seq);
DO $$
DECLARE
  part text;
BEGIN
  FOR part IN SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'audit.events'::regclass LOOP
    EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON audit.%I (seq)', part || '_seq', part);
    EXECUTE format('ALTER INDEX audit.events_seq ATTACH PARTITION audit.%I', part || '_seq');
  END LOOP;
END $$;

UPDATE audit.log_state SET begun = true;
