-- Events, partitioned by the month in which they happened (UTC), and the register of ids that makes an id unique
-- across those partitions. Why two tables: a unique index of a partitioned table must contain the partition key, so
-- "events" alone could only promise that (occurred_at, id) is unique. CONTRACT.md, "Storage", has the whole reasoning.

CREATE TABLE audit.events (
  id          uuid        NOT NULL,
  occurred_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  application text        NOT NULL,
  actor       text        NOT NULL,
  action      text        NOT NULL,
  resource    text        NOT NULL,
  outcome     text        NOT NULL,
  data        jsonb       NOT NULL,
  PRIMARY KEY (occurred_at, id)
) PARTITION BY RANGE (occurred_at);

-- One index per filter; each ends in the sort key, so that a page is one range scan at any depth.
CREATE INDEX events_application ON audit.events (application, occurred_at, id);
CREATE INDEX events_actor       ON audit.events (actor, occurred_at, id);
CREATE INDEX events_action      ON audit.events (action, occurred_at, id);
CREATE INDEX events_outcome     ON audit.events (outcome, occurred_at, id);

-- "bucket" is a function of the id alone (src/ids.ts): the month inside a UUIDv7 (months since 1970-01), 0 for every
-- other id. So (bucket, id) is unique exactly when id is, and old ids can be dropped with their partition.
CREATE TABLE audit.event_ids (
  id          uuid        NOT NULL,
  occurred_at timestamptz NOT NULL,
  bucket      smallint    NOT NULL,
  PRIMARY KEY (bucket, id)
) PARTITION BY RANGE (bucket);

CREATE TABLE audit.event_ids_other PARTITION OF audit.event_ids FOR VALUES FROM (0) TO (1);

-- The first month that has partitions of its own; whatever is older shares one.
CREATE TABLE audit.first_month (month timestamp NOT NULL);
INSERT INTO audit.first_month VALUES (date_trunc('month', now() AT TIME ZONE 'UTC'));

CREATE FUNCTION audit.month_bucket(p_month timestamp) RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT ((extract(year FROM p_month) - 1970) * 12 + extract(month FROM p_month) - 1)::integer $$;

DO $$
DECLARE
  first timestamp := (SELECT month FROM audit.first_month);
BEGIN
  EXECUTE format('CREATE TABLE audit.events_before PARTITION OF audit.events FOR VALUES FROM (MINVALUE) TO (%L)', first AT TIME ZONE 'UTC');
  EXECUTE format('CREATE TABLE audit.event_ids_before PARTITION OF audit.event_ids FOR VALUES FROM (1) TO (%s)', audit.month_bucket(first));
END $$;

-- Makes the missing partitions from the first month to three months ahead; answers how many. SECURITY DEFINER: the
-- service's own role may call it and so never runs out of partitions between two deploys, yet it can do nothing else to
-- the tables.
CREATE FUNCTION audit.ensure_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  made   int := 0;
  lower  timestamp;
  bucket int;
  name   text;
BEGIN
  PERFORM pg_advisory_xact_lock(7305204801000001);
  FOR lower IN
    SELECT generate_series((SELECT month FROM audit.first_month),
                           date_trunc('month', now() AT TIME ZONE 'UTC') + interval '3 months', interval '1 month')
  LOOP
    bucket := audit.month_bucket(lower);
    name := 'events_' || to_char(lower, 'YYYY_MM');
    IF to_regclass('audit.' || name) IS NULL THEN
      -- LIKE and ATTACH, not PARTITION OF: that would lock readers and writers out of the parent.
      EXECUTE format('CREATE TABLE audit.%I (LIKE audit.events INCLUDING ALL)', name);
      EXECUTE format('ALTER TABLE audit.events ATTACH PARTITION audit.%I FOR VALUES FROM (%L) TO (%L)', name,
                     lower AT TIME ZONE 'UTC', (lower + interval '1 month') AT TIME ZONE 'UTC');
      made := made + 1;
    END IF;
    name := 'event_ids_' || to_char(lower, 'YYYY_MM');
    IF to_regclass('audit.' || name) IS NULL THEN
      EXECUTE format('CREATE TABLE audit.%I (LIKE audit.event_ids INCLUDING ALL)', name);
      EXECUTE format('ALTER TABLE audit.event_ids ATTACH PARTITION audit.%I FOR VALUES FROM (%s) TO (%s)', name, bucket, bucket + 1);
      made := made + 1;
    END IF;
  END LOOP;
  RETURN made;
END $$;

SELECT audit.ensure_partitions();

-- Drops every month that lies wholly before the given time, and what is older than the first month; answers how many
-- months. For the owner only.
CREATE FUNCTION audit.drop_before(p_before timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  first   timestamp := (SELECT month FROM audit.first_month);
  keep    timestamp := date_trunc('month', p_before AT TIME ZONE 'UTC');
  month   timestamp;
  dropped int := 0;
BEGIN
  IF p_before > now() THEN
    RAISE EXCEPTION 'refusing to drop what is not past: %', p_before;
  END IF;
  PERFORM pg_advisory_xact_lock(7305204801000001);
  FOR month IN SELECT generate_series(first, keep - interval '1 month', interval '1 month') LOOP
    EXECUTE format('DROP TABLE IF EXISTS audit.%I', 'events_' || to_char(month, 'YYYY_MM'));
    EXECUTE format('DROP TABLE IF EXISTS audit.%I', 'event_ids_' || to_char(month, 'YYYY_MM'));
    dropped := dropped + 1;
  END LOOP;
  DELETE FROM audit.events_before WHERE occurred_at < keep AT TIME ZONE 'UTC';
  DELETE FROM audit.event_ids_before WHERE occurred_at < keep AT TIME ZONE 'UTC';
  DELETE FROM audit.event_ids_other WHERE occurred_at < keep AT TIME ZONE 'UTC';
  IF dropped > 0 THEN
    -- Events as old as those may still come in: the partition for what is older now reaches up to here.
    ALTER TABLE audit.events DETACH PARTITION audit.events_before;
    ALTER TABLE audit.event_ids DETACH PARTITION audit.event_ids_before;
    EXECUTE format('ALTER TABLE audit.events ATTACH PARTITION audit.events_before FOR VALUES FROM (MINVALUE) TO (%L)', keep AT TIME ZONE 'UTC');
    EXECUTE format('ALTER TABLE audit.event_ids ATTACH PARTITION audit.event_ids_before FOR VALUES FROM (1) TO (%s)', audit.month_bucket(keep));
    UPDATE audit.first_month SET month = keep;
  END IF;
  RETURN dropped;
END $$;
REVOKE EXECUTE ON FUNCTION audit.drop_before(timestamptz) FROM PUBLIC;

-- Stores a group of events in one statement. An id that is already there with the same content counts as stored; one
-- that is there with other content makes the whole group fail with AU409 and the 0-based positions in DETAIL, so that
-- the service can answer 409 to those requests and send the others again. Content is compared as jsonb does: order of
-- keys and spelling of numbers do not matter.
CREATE FUNCTION audit.store(
  p_bucket smallint[], p_id uuid[], p_occurred_at timestamptz[], p_application text[], p_actor text[],
  p_action text[], p_resource text[], p_outcome text[], p_data jsonb[]
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  fresh   bigint;
  refused text;
BEGIN
  INSERT INTO audit.event_ids (bucket, id, occurred_at)
    SELECT * FROM unnest(p_bucket, p_id, p_occurred_at)
    ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS fresh = ROW_COUNT;
  IF fresh = cardinality(p_id) THEN
    BEGIN
      INSERT INTO audit.events (id, occurred_at, application, actor, action, resource, outcome, data)
        SELECT * FROM unnest(p_id, p_occurred_at, p_application, p_actor, p_action, p_resource, p_outcome, p_data);
      RETURN;
    EXCEPTION WHEN unique_violation THEN
      -- The month of an id was dropped before that of its event, which is still here: go the long way.
    END;
  END IF;

  -- Ids and events are always written together, so an id whose event is missing here is one that was claimed just now.
  SELECT string_agg((i.n - 1)::text, ',') INTO refused
    FROM unnest(p_bucket, p_id, p_occurred_at, p_application, p_actor, p_action, p_resource, p_outcome, p_data)
         WITH ORDINALITY AS i (bucket, id, occurred_at, application, actor, action, resource, outcome, data, n)
    JOIN audit.event_ids k ON k.bucket = i.bucket AND k.id = i.id
    LEFT JOIN audit.events e ON e.occurred_at = i.occurred_at AND e.id = i.id
   WHERE k.occurred_at <> i.occurred_at
      OR (e.id IS NOT NULL AND (e.application, e.actor, e.action, e.resource, e.outcome, e.data)
                   IS DISTINCT FROM (i.application, i.actor, i.action, i.resource, i.outcome, i.data));
  IF refused IS NOT NULL THEN
    RAISE EXCEPTION 'an id is already stored with other content' USING ERRCODE = 'AU409', DETAIL = refused;
  END IF;
  INSERT INTO audit.events (id, occurred_at, application, actor, action, resource, outcome, data)
    SELECT i.* FROM unnest(p_id, p_occurred_at, p_application, p_actor, p_action, p_resource, p_outcome, p_data)
           AS i (id, occurred_at, application, actor, action, resource, outcome, data)
     WHERE NOT EXISTS (SELECT FROM audit.events e WHERE e.occurred_at = i.occurred_at AND e.id = i.id);
END $$;
