#!/bin/sh
# Make what the services prove themselves with, once; later starts find it there.
set -eu
umask 022
cd /secrets
make() {
  [ -s "$1" ] || python3 -c 'import secrets; print(secrets.token_hex(16))' > "$1"
}
make owner-password
make writer-password
make reader-password
make gateway-key
make session-secret
for role in owner writer reader; do
  user="depthcast_$role"
  [ -s "$role-url" ] || printf 'postgresql://%s:%s@database:5432/depthcast\n' "$user" "$(cat "$role-password")" > "$role-url"
done
chmod 0444 ./*
# The volume of the state is made by root where the image's folder does not say otherwise.
install -d -o 10001 -g 10001 -m 0750 /state/journal /state/keys /state/exports
chown 10001:10001 /state
