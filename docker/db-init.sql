-- Runs once, when the data volume is empty, as the cluster's superuser.
-- The application's role owns its database and may create others (a restore needs that), and is no superuser.
\getenv password POSTGRES_PASSWORD
CREATE ROLE ledgerflow LOGIN CREATEDB PASSWORD :'password';
CREATE DATABASE ledgerflow OWNER ledgerflow;
-- Without a password the superuser signs in only from inside the database container.
ALTER ROLE postgres PASSWORD NULL;
