-- Second of two steps, see 003: an id is unique per application from here on. audit.store keeps its shape, so the release before
-- stores by it as well. Catalogue alone, within milliseconds: every index is there already, but for partitions made just now.

-- Whoever has begun to store in the former register has finished then.
LOCK TABLE audit.event_ids IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE audit.events IN ACCESS EXCLUSIVE MODE;

-- Who was about to is told to try again, and does so with the function below. The release before wants to see the table and its
-- right to insert; migrate drops it a day later or more.
CREATE FUNCTION audit.moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the register of ids is audit.ids now' USING ERRCODE = 'serialization_failure';
END $$;
CREATE TRIGGER moved BEFORE INSERT ON audit.event_ids FOR EACH STATEMENT EXECUTE FUNCTION audit.moved();

DROP TRIGGER carry_over ON audit.events;
DROP FUNCTION audit.carry_over();

-- Two applications may have one id at one moment.
ALTER TABLE audit.events DROP CONSTRAINT events_pkey;
ALTER TABLE ONLY audit.events ADD CONSTRAINT events_pkey PRIMARY KEY (occurred_at, id, application);
DO $$
DECLARE
  part text;
BEGIN
  FOR part IN SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'audit.events'::regclass LOOP
    EXECUTE format('CREATE UNIQUE INDEX IF NOT EXISTS %I ON audit.%I (occurred_at, id, application)', part || '_key', part);
    EXECUTE format('ALTER TABLE audit.%I ADD CONSTRAINT %I PRIMARY KEY USING INDEX %I', part, part || '_pkey', part || '_key');
    EXECUTE format('ALTER INDEX audit.events_pkey ATTACH PARTITION audit.%I', part || '_pkey');
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION audit.drop_before(p_before timestamptz) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET DateStyle = 'ISO' SET TimeZone = 'UTC' AS $$
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
    EXECUTE format('DROP TABLE IF EXISTS audit.%I', 'ids_' || to_char(month, 'YYYY_MM'));
    dropped := dropped + 1;
  END LOOP;
  DELETE FROM audit.events_before WHERE occurred_at < keep AT TIME ZONE 'UTC';
  DELETE FROM audit.ids_before WHERE occurred_at < keep AT TIME ZONE 'UTC';
  DELETE FROM audit.ids_other WHERE occurred_at < keep AT TIME ZONE 'UTC';
  IF dropped > 0 THEN
    -- Events as old as those may still come in: the partition for what is older now reaches up to here.
    ALTER TABLE audit.events DETACH PARTITION audit.events_before;
    ALTER TABLE audit.ids DETACH PARTITION audit.ids_before;
    EXECUTE format('ALTER TABLE audit.events ATTACH PARTITION audit.events_before FOR VALUES FROM (MINVALUE) TO (%L)', keep AT TIME ZONE 'UTC');
    EXECUTE format('ALTER TABLE audit.ids ATTACH PARTITION audit.ids_before FOR VALUES FROM (1) TO (%s)', audit.month_bucket(keep));
    UPDATE audit.first_month SET month = keep;
  END IF;
  RETURN dropped;
END $$;

-- As in 002, with the application in every comparison. SECURITY DEFINER: whoever may store may do so by this function alone, and
-- so can neither choose recorded_at nor enter an id without its event.
CREATE OR REPLACE FUNCTION audit.store(
  p_bucket smallint[], p_id uuid[], p_occurred_at timestamptz[], p_application text[], p_actor text[],
  p_action text[], p_resource text[], p_outcome text[], p_data jsonb[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  fresh   bigint;
  refused text;
BEGIN
  PERFORM set_config('client_min_messages', 'warning', true);
  INSERT INTO audit.ids (bucket, id, application, occurred_at)
    SELECT * FROM unnest(p_bucket, p_id, p_application, p_occurred_at)
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
    JOIN audit.ids k ON k.bucket = i.bucket AND k.id = i.id AND k.application = i.application
    LEFT JOIN audit.events e ON e.occurred_at = i.occurred_at AND e.id = i.id AND e.application = i.application
   WHERE k.occurred_at <> i.occurred_at
      OR (e.id IS NOT NULL AND (e.actor, e.action, e.resource, e.outcome, e.data)
                   IS DISTINCT FROM (i.actor, i.action, i.resource, i.outcome, i.data));
  IF refused IS NOT NULL THEN
    RAISE EXCEPTION 'an id is already stored with other content' USING ERRCODE = 'AU409', DETAIL = refused;
  END IF;
  INSERT INTO audit.events (id, occurred_at, application, actor, action, resource, outcome, data)
    SELECT i.* FROM unnest(p_id, p_occurred_at, p_application, p_actor, p_action, p_resource, p_outcome, p_data)
           AS i (id, occurred_at, application, actor, action, resource, outcome, data)
     WHERE NOT EXISTS (SELECT FROM audit.events e
                        WHERE e.occurred_at = i.occurred_at AND e.id = i.id AND e.application = i.application);
  PERFORM pg_logical_emit_message(true, 'audit', '');
END $$;

-- Who could store until now still can, but for PUBLIC (grantee 0), which is no role; migrate grants it anew.
REVOKE EXECUTE ON FUNCTION audit.store FROM PUBLIC;
DO $$
DECLARE
  role regrole;
BEGIN
  FOR role IN SELECT DISTINCT grantee FROM pg_class, aclexplode(relacl) WHERE oid = 'audit.events'::regclass AND privilege_type = 'INSERT' AND grantee <> relowner AND grantee <> 0 LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION audit.store TO %s', role);
  END LOOP;
END $$;
