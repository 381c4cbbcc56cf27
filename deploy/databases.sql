-- Run once, as the superuser, when PostgreSQL's folder is new: a database and a role without special rights for each of
-- Goodfit and MLflow. Their tables (both have an alembic_version) never meet, and neither role can enter the other's.
\set ON_ERROR_STOP on
\getenv goodfit_file GOODFIT_PASSWORD_FILE
\getenv mlflow_file MLFLOW_PASSWORD_FILE
\set goodfit_password `cat :'goodfit_file'`
\set mlflow_password `cat :'mlflow_file'`
CREATE ROLE goodfit LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'goodfit_password';
CREATE ROLE mlflow LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'mlflow_password';
CREATE DATABASE goodfit OWNER goodfit;
CREATE DATABASE mlflow OWNER mlflow;
REVOKE CONNECT ON DATABASE goodfit FROM PUBLIC;
REVOKE CONNECT ON DATABASE mlflow FROM PUBLIC;
