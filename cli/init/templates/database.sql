-- For a server that is managed, too: no right here is a superuser's. Replace each … by a password of its own; the first
-- two belong into Vault, ci/audit/deploy and ci/audit/drift (docs/guide.md, step 4), the last into PULUMI_BACKEND_URL.
-- Once for a server: a second stack that has the same roles needs nothing of this.

-- makes the service's database and roles
CREATE ROLE {{admin}} LOGIN CREATEROLE CREATEDB PASSWORD '…';
-- PostgreSQL 16 and newer: lets it make a new role own the database
ALTER ROLE {{admin}} SET createrole_self_grant = 'set, inherit';
-- compares roles and rights for the job drift; has none itself
CREATE ROLE {{drift}} LOGIN PASSWORD '…';
-- Pulumi's state, encrypted by Vault
CREATE ROLE pulumi LOGIN PASSWORD '…';
CREATE DATABASE pulumi OWNER pulumi;
REVOKE ALL ON DATABASE pulumi FROM PUBLIC;
