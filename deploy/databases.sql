-- Run once, as the superuser `goodfit`, when PostgreSQL's folder is new. The database goodfit is there already.
-- MLflow has a database and a role of its own: its tables and Goodfit's (both have an alembic_version) never meet.
\getenv mlflow_password MLFLOW_DB_PASSWORD
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow_password';
CREATE DATABASE mlflow OWNER mlflow;
REVOKE CONNECT ON DATABASE mlflow FROM PUBLIC;
REVOKE CONNECT ON DATABASE goodfit FROM PUBLIC;
