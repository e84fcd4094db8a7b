#!/bin/sh
# Makes the drivers under target/drivers: psycopg, asyncpg, boto3, the AWS CLI and moto (an STS) from PyPI, node-postgres and
# oidc-provider (an issuer of tokens) from npm, by pinned digests; with `python` those from PyPI alone. Does nothing for what is there.
set -eu
cd "$(dirname "$0")/../.."
place=target/drivers
mkdir -p "$place"

pins=$(cat tests/drivers/requirements.txt)
if [ "$(cat "$place/pins-python" 2>/dev/null || true)" != "$pins" ]; then
  echo "fetching: psycopg, asyncpg, boto3, the AWS CLI and moto for the tests and the demo (50 MB)" >&2
  rm -rf "$place/venv" "$place/pins-python"
  python3 -m venv "$place/venv"
  "$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
    -r tests/drivers/requirements.txt
  printf '%s\n' "$pins" >"$place/pins-python"
fi
[ "${1:-}" != python ] || exit 0

pins=$(cat tests/drivers/package.json tests/drivers/package-lock.json)
if [ "$(cat "$place/pins-node" 2>/dev/null || true)" != "$pins" ]; then
  echo "fetching: node-postgres and oidc-provider for the tests (20 MB)" >&2
  rm -rf "$place/node_modules" "$place/pins-node"
  cp tests/drivers/package.json tests/drivers/package-lock.json "$place/"
  (cd "$place" && npm ci --silent --no-audit --no-fund)
  printf '%s\n' "$pins" >"$place/pins-node"
fi
