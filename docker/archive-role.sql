-- Makes the role that the archive reads the write-ahead log with, or gives it its password anew.
-- Runs when the data volume is empty, and by hand where it is not (docs/operations.md), as the cluster's superuser.
\set ON_ERROR_STOP on
\set password `if [ -n "$ARCHIVE_PASSWORD_FILE" ]; then cat "$ARCHIVE_PASSWORD_FILE"; else printf %s "$ARCHIVE_PASSWORD"; fi`
SELECT :'password' = '' AS is_missing \gset
\if :is_missing
    DO $$ BEGIN RAISE 'Put ARCHIVE_PASSWORD or ARCHIVE_PASSWORD_FILE into .env.'; END $$;
\endif
SELECT 'CREATE ROLE ledgerflow_archive' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ledgerflow_archive') \gexec
ALTER ROLE ledgerflow_archive NOSUPERUSER NOCREATEDB NOCREATEROLE LOGIN REPLICATION PASSWORD :'password';
