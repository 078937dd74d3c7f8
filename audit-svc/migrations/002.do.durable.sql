-- What the service answers 201 is as durable as the server's synchronous_commit promises, whatever the session's settings are.

-- Partition bounds pass through text: a time zone's abbreviation in it would be read back as another zone's ("IST").
-- Only whom migrate grants it may make partitions.
ALTER FUNCTION audit.ensure_partitions() SET DateStyle = 'ISO' SET TimeZone = 'UTC';
ALTER FUNCTION audit.drop_before(timestamptz) SET search_path = pg_catalog, pg_temp SET DateStyle = 'ISO' SET TimeZone = 'UTC';
REVOKE EXECUTE ON FUNCTION audit.ensure_partitions() FROM PUBLIC;

-- As in 001, with two differences. A group of which everything is there already writes to the log nevertheless, so that its
-- commit waits as every other: the first commit's wait for a standby may have been cancelled. And the warning that says so
-- reaches the service also where client_min_messages would keep it back.
CREATE OR REPLACE FUNCTION audit.store(
  p_bucket smallint[], p_id uuid[], p_occurred_at timestamptz[], p_application text[], p_actor text[],
  p_action text[], p_resource text[], p_outcome text[], p_data jsonb[]
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  fresh   bigint;
  refused text;
BEGIN
  PERFORM set_config('client_min_messages', 'warning', true);
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
  PERFORM pg_logical_emit_message(true, 'audit', '');
END $$;
