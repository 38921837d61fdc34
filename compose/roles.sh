#!/bin/sh
# Run once by the database's image, in an empty database: who may log in. What each may do is the migrations'.
set -eu
for role in writer reader; do
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set role="depthcast_$role" --set password="$(cat "/secrets/$role-password")" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
SQL
done
