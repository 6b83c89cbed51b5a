-- The least that a worker and a reader need on PostgreSQL. Run as the owner of the tables, once they are made
-- (winnow create, or any first start, as the owner). Replace the names and passwords by your own.
CREATE ROLE winnow_worker LOGIN PASSWORD 'change-me';
CREATE ROLE winnow_reader LOGIN PASSWORD 'change-me';

-- A worker reads everything, and adds and changes rows. It makes no table and deletes nothing.
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO winnow_worker;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO winnow_worker;
REVOKE INSERT, UPDATE ON alembic_version, version_info, winnow_schema FROM winnow_worker;

REVOKE ALL ON winnow_tokens, winnow_sessions, winnow_audit FROM winnow_worker;

-- A reader watches: status and reports.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO winnow_reader;
REVOKE ALL ON winnow_tokens, winnow_sessions, winnow_audit FROM winnow_reader;

-- The dashboard is served as the owner of the tables, who may delete a study for good thirty days after it was
-- deleted there.
