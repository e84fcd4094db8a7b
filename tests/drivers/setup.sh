#!/bin/sh
# Makes the drivers under target/drivers: psycopg, asyncpg, boto3, the AWS CLI and moto (an STS) from PyPI, node-postgres and
# oidc-provider (an issuer of tokens) from npm, by pinned digests. Does nothing when they are there.
set -eu
cd "$(dirname "$0")/../.."
place=target/drivers
pins=$(cat tests/drivers/requirements.txt tests/drivers/package-lock.json)
[ "$(cat "$place/pins" 2>/dev/null || true)" != "$pins" ] || exit 0

echo "fetching: psycopg, asyncpg, boto3, the AWS CLI, moto, node-postgres and oidc-provider for the tests (70 MB)" >&2
mkdir -p "$place"
rm -rf "$place/venv" "$place/node_modules" "$place/pins"
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
  -r tests/drivers/requirements.txt
cp tests/drivers/package.json tests/drivers/package-lock.json "$place/"
(cd "$place" && npm ci --silent --no-audit --no-fund)
printf '%s\n' "$pins" >"$place/pins"
