-- What the service's role may add to the log, bounded by what the log has. One call with a size or a place far beyond kept every
-- later checkpoint or hash away for ever, and the lag that the metrics show was 0.

-- Stores the roots of complete tiles, side by side, from the n-th on: the next ones, or such as are there.
CREATE OR REPLACE FUNCTION audit.log_add_hashes(p_level smallint, p_first bigint, p_hashes bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  next     bigint := (SELECT coalesce(max(n) + 1, 0) FROM audit.log_hashes WHERE level = p_level);
  complete bigint := (SELECT size >> 8 * p_level FROM audit.log_state);
  count    bigint := length(p_hashes) / 32;
BEGIN
  IF p_level NOT BETWEEN 1 AND 7 OR p_first NOT BETWEEN 0 AND next OR p_first + count > complete OR length(p_hashes) % 32 > 0 THEN
    RAISE EXCEPTION 'the log has no % complete tiles from % on at level %', count, p_first, p_level;
  END IF;
  INSERT INTO audit.log_hashes (level, n, hash)
    SELECT p_level, p_first + i, substr(p_hashes, (32 * i + 1)::integer, 32) FROM generate_series(0, count - 1) AS i
    ON CONFLICT DO NOTHING;
END $$;

-- Keeps a checkpoint in place of an older one of its kind.
CREATE OR REPLACE FUNCTION audit.log_keep(p_kind text, p_size bigint, p_last_seq bigint, p_note text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM audit.log_state WHERE p_size BETWEEN 0 AND size AND (p_kind = 'witnessed' OR p_last_seq <= last_seq)) THEN
    RAISE EXCEPTION 'the log has no % entries up to place %', p_size, p_last_seq;
  END IF;
  INSERT INTO audit.log_checkpoints AS c (kind, size, last_seq, note) VALUES (p_kind, p_size, p_last_seq, p_note)
    ON CONFLICT (kind) DO UPDATE SET size = p_size, last_seq = p_last_seq, note = p_note, made_at = clock_timestamp()
    WHERE c.size <= p_size;
END $$;
