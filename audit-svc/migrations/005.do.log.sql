-- First of two steps to a log that proves itself (CONTRACT.md, "The log"). Each event gets its place in the order of arrival and a
-- salt of its own. This step touches the catalogue alone, and the release before goes on storing. What was stored before is taken
-- in between the two steps (src/take-in.ts), without a lock that writers would wait for; 006 then lets the log begin.

CREATE SEQUENCE audit.event_seq CACHE 1;
-- For events from before this step: all of them come before those that come in from now on.
CREATE SEQUENCE audit.event_seq_before AS bigint START -1000000000000000 MINVALUE -1000000000000000 MAXVALUE -1;

-- First without a default and then with one: so no table is written anew. The default of a new partition is a copy.
ALTER TABLE audit.events ADD COLUMN salt uuid, ADD COLUMN seq bigint;
ALTER TABLE audit.events ALTER COLUMN salt SET DEFAULT gen_random_uuid(), ALTER COLUMN seq SET DEFAULT nextval('audit.event_seq');

-- Complete bundles of 256 entries, in the order of the tree. Never changed once written.
CREATE TABLE audit.log_entries (
  bundle    bigint PRIMARY KEY,
  first_seq bigint NOT NULL,
  last_seq  bigint NOT NULL,
  entries   bytea  NOT NULL
);
-- Hashes do not compress.
ALTER TABLE audit.log_entries ALTER COLUMN entries SET STORAGE EXTERNAL;
CREATE INDEX log_entries_last_seq ON audit.log_entries (last_seq);

-- What the tiles above level 0 consist of: the root of each complete tile of the level below.
CREATE TABLE audit.log_hashes (
  level smallint NOT NULL,
  n     bigint   NOT NULL,
  hash  bytea    NOT NULL,
  PRIMARY KEY (level, n)
);

-- How far the log has come: one row.
CREATE TABLE audit.log_state (
  one         boolean PRIMARY KEY DEFAULT true CHECK (one),
  begun       boolean NOT NULL DEFAULT false,
  size        bigint  NOT NULL DEFAULT 0,
  last_seq    bigint  NOT NULL DEFAULT -1000000000000001,
  -- Entries of the bundle that is not complete.
  partial     bytea   NOT NULL DEFAULT '',
  partial_seq bigint,
  -- Up to here each event is visible or will never be.
  settled     bigint  NOT NULL DEFAULT -1000000000000001,
  -- The next such place, once these transactions of this run of the server have ended.
  candidate   bigint,
  awaited     text[],
  server      timestamptz
);
ALTER TABLE audit.log_state ALTER COLUMN partial SET STORAGE EXTERNAL;
INSERT INTO audit.log_state DEFAULT VALUES;

-- The newest checkpoint, and the newest that a witness has reported.
CREATE TABLE audit.log_checkpoints (
  kind     text        PRIMARY KEY CHECK (kind IN ('signed', 'witnessed')),
  size     bigint      NOT NULL,
  last_seq bigint      NOT NULL,
  note     text        NOT NULL,
  made_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- An event's entry: kind and month, and the commitment to its content. Without SET and SECURITY, so that PostgreSQL inlines it.
CREATE FUNCTION audit.log_entry(
  p_seq bigint, p_salt uuid, p_id uuid, p_occurred_at timestamptz, p_recorded_at timestamptz, p_application text,
  p_actor text, p_action text, p_resource text, p_outcome text, p_data jsonb
) RETURNS bytea LANGUAGE sql STABLE
RETURN substr(int4send(CASE WHEN p_seq < 0 THEN 131072 ELSE 65536 END
                       + ((date_part('year', p_occurred_at AT TIME ZONE 'UTC') - 1970) * 12
                          + date_part('month', p_occurred_at AT TIME ZONE 'UTC') - 1)::integer), 2)
       || sha256(uuid_send(p_salt) || uuid_send(p_id) || timestamptz_send(p_occurred_at) || timestamptz_send(p_recorded_at)
                 -- Each text's length and bytes, in the encoding of the client; the header of an array is 20 bytes.
                 || substr(array_send(ARRAY[p_application, p_actor, p_action, p_resource, p_outcome, p_data::text]), 21));

-- Moves "settled" as far as no open transaction can still add an event below it. Every writer holds its lock on the table before
-- it takes a number, and releases it only when what it wrote is visible. So: the newest number first, then who holds the lock;
-- once none of those does, everything up to that number is settled. Long transactions elsewhere delay nothing.
CREATE FUNCTION audit.log_settle() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  state   audit.log_state;
  newest  bigint;
  writers text[];
BEGIN
  SELECT * INTO STRICT state FROM audit.log_state;
  -- Another run of the server names its transactions anew, prepared ones too.
  IF state.server IS DISTINCT FROM pg_postmaster_start_time() THEN
    state.candidate := NULL;
  END IF;
  writers := ARRAY(SELECT virtualtransaction FROM pg_locks
                    WHERE relation = 'audit.events'::regclass AND mode = 'RowExclusiveLock' AND granted
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                      AND virtualtransaction = ANY (state.awaited));
  IF cardinality(writers) > 0 AND state.candidate IS NOT NULL THEN
    RETURN;
  END IF;
  state.settled := greatest(state.settled, coalesce(state.candidate, state.settled));
  SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO newest FROM audit.event_seq;
  IF newest <= state.settled THEN
    IF state.candidate IS NOT NULL THEN
      UPDATE audit.log_state SET settled = state.settled, candidate = NULL, awaited = NULL;
    END IF;
    RETURN;
  END IF;
  -- A statement of its own after the newest number was read.
  writers := ARRAY(SELECT virtualtransaction FROM pg_locks
                    WHERE relation = 'audit.events'::regclass AND mode = 'RowExclusiveLock' AND granted
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                      AND pid IS DISTINCT FROM pg_backend_pid());
  IF cardinality(writers) = 0 THEN
    UPDATE audit.log_state SET settled = newest, candidate = NULL, awaited = NULL, server = pg_postmaster_start_time();
  ELSE
    UPDATE audit.log_state SET settled = state.settled, candidate = newest, awaited = writers, server = pg_postmaster_start_time();
  END IF;
END $$;

-- Gives settled events their place in the tree, at most p_limit of them, and answers how far the log has come and whether there is
-- more to do at once. One at a time: whoever comes second is answered what there is.
CREATE FUNCTION audit.log_sequence(p_limit integer, OUT size bigint, OUT last_seq bigint, OUT more boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_encoding = 'UTF8'
-- Also where statistics are old or missing.
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  state    audit.log_state;
  fresh    bytea;
  numbers  bigint[];
  taken    integer;
  before   integer;
  complete integer;
  first    bigint;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'log_sequence needs READ COMMITTED: each of its statements must see what was committed before it';
  END IF;
  IF pg_try_advisory_xact_lock(7305204801000002) AND (SELECT begun FROM audit.log_state) THEN
    PERFORM audit.log_settle();
    SELECT * INTO STRICT state FROM audit.log_state;
    SELECT string_agg(entry, ''::bytea ORDER BY seq), array_agg(seq ORDER BY seq), count(*) INTO fresh, numbers, taken
      FROM (SELECT seq, audit.log_entry(seq, salt, id, occurred_at, recorded_at, application, actor, action, resource, outcome, data) AS entry
              FROM audit.events WHERE seq > state.last_seq AND seq <= state.settled ORDER BY seq LIMIT p_limit) AS settled;
    IF taken > 0 THEN
      before := state.size % 256;
      first := state.size / 256;
      fresh := state.partial || fresh;
      complete := (before + taken) / 256;
      IF complete > 0 THEN
        INSERT INTO audit.log_entries (bundle, first_seq, last_seq, entries)
          SELECT first + n, coalesce(CASE WHEN n = 0 THEN state.partial_seq END, numbers[256 * n - before + 1]),
                 numbers[256 * (n + 1) - before], substr(fresh, 8960 * n + 1, 8960)
            FROM generate_series(0, complete - 1) AS n;
      END IF;
      UPDATE audit.log_state s
         SET size = state.size + taken, partial = substr(fresh, 8960 * complete + 1),
             partial_seq = CASE WHEN complete = 0 THEN coalesce(state.partial_seq, numbers[1]) ELSE numbers[256 * complete - before + 1] END,
             last_seq = CASE WHEN taken < p_limit THEN state.settled ELSE numbers[taken] END;
    END IF;
    more := taken = p_limit;
  END IF;
  SELECT s.size, s.last_seq INTO STRICT size, last_seq FROM audit.log_state s;
  more := coalesce(more, false);
END $$;

-- Stores the roots of complete tiles, side by side, from the n-th on. Whoever computes them again gets the same.
CREATE FUNCTION audit.log_add_hashes(p_level smallint, p_first bigint, p_hashes bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  INSERT INTO audit.log_hashes (level, n, hash)
    SELECT p_level, p_first + i, substr(p_hashes, 32 * i + 1, 32) FROM generate_series(0, length(p_hashes) / 32 - 1) AS i
    ON CONFLICT DO NOTHING;
END;

-- Keeps a checkpoint in place of an older one of its kind.
CREATE FUNCTION audit.log_keep(p_kind text, p_size bigint, p_last_seq bigint, p_note text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO audit.log_checkpoints AS c (kind, size, last_seq, note) VALUES (p_kind, p_size, p_last_seq, p_note)
    ON CONFLICT (kind) DO UPDATE SET size = p_size, last_seq = p_last_seq, note = p_note, made_at = clock_timestamp()
    WHERE c.size <= p_size;
END $$;

REVOKE EXECUTE ON FUNCTION audit.log_settle(), audit.log_sequence, audit.log_add_hashes, audit.log_keep FROM PUBLIC;
