-- First of two steps that make an id unique per application. This one makes the new register of ids, audit.ids, and has every
-- event that comes in from now on entered there as well, by a trigger, so that the release before can go on as it is. What was stored
-- before is carried over between the two steps (src/carry-over.ts), without a lock; 004 then changes over.

CREATE FUNCTION audit.bucket_of(p_id uuid) RETURNS smallint
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE WHEN substr(p_id::text, 15, 1) <> '7' THEN 0
              ELSE audit.month_bucket(to_timestamp(('x' || left(replace(p_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0) AT TIME ZONE 'UTC')
         END::smallint
$$;

-- "bucket" as in audit.event_ids, which this replaces.
CREATE TABLE audit.ids (
  id          uuid        NOT NULL,
  occurred_at timestamptz NOT NULL,
  bucket      smallint    NOT NULL,
  application text        NOT NULL,
  PRIMARY KEY (bucket, id, application)
) PARTITION BY RANGE (bucket);

CREATE TABLE audit.ids_other PARTITION OF audit.ids FOR VALUES FROM (0) TO (1);

DO $$
BEGIN
  EXECUTE format('CREATE TABLE audit.ids_before PARTITION OF audit.ids FOR VALUES FROM (1) TO (%s)',
                 audit.month_bucket((SELECT month FROM audit.first_month)));
END $$;

-- As in 001 and 002, with one table more.
CREATE OR REPLACE FUNCTION audit.ensure_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET DateStyle = 'ISO' SET TimeZone = 'UTC' AS $$
DECLARE
  made     int := 0;
  lower    timestamp;
  bucket   int;
  name     text;
  register text;
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
    FOREACH register IN ARRAY ARRAY['ids', 'event_ids'] LOOP
      name := register || '_' || to_char(lower, 'YYYY_MM');
      CONTINUE WHEN to_regclass('audit.' || register) IS NULL OR to_regclass('audit.' || name) IS NOT NULL;
      EXECUTE format('CREATE TABLE audit.%I (LIKE audit.%I INCLUDING ALL)', name, register);
      EXECUTE format('ALTER TABLE audit.%I ATTACH PARTITION audit.%I FOR VALUES FROM (%s) TO (%s)', register, name, bucket, bucket + 1);
      made := made + 1;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;

SELECT audit.ensure_partitions();

CREATE FUNCTION audit.carry_over() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO audit.ids (bucket, id, application, occurred_at)
    SELECT audit.bucket_of(id), id, application, occurred_at FROM stored ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER carry_over AFTER INSERT ON audit.events REFERENCING NEW TABLE AS stored
  FOR EACH STATEMENT EXECUTE FUNCTION audit.carry_over();
