#!/usr/bin/env bash
# SQLAlchemy's PostgreSQL dialect suite (from its source distribution on PyPI) with psycopg and with asyncpg, directly and
# through the proxy, under a policy that allows everything and masks nothing. Prints every test whose outcome differs;
# `docs/conformance.md` says why each one does.
#
# Needs `cargo build --profile stack --workspace --bins` and Python 3.11 or later. Leaves its work in target/conformance/sqlalchemy.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=2.1.9
place=$PWD/target/conformance/sqlalchemy
mkdir -p "$place"
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet "sqlalchemy[asyncio]==$version" 'psycopg[binary]==3.2.13' asyncpg==0.30.0 \
  pytest==9.2.0 pytest-timeout==2.4.0 pytest-xdist==3.8.0
"$place/venv/bin/pip" download --quiet --no-deps --no-binary sqlalchemy --dest "$place" "sqlalchemy==$version"
rm -rf "$place/sqlalchemy-$version"
tar -xzf "$place/sqlalchemy-$version.tar.gz" -C "$place"

status=0
for driver in ${1:-psycopg asyncpg}; do
  "$place/venv/bin/python" tests/conformance/sqlalchemy.py "$place" "$version" "$driver" || status=1
done
exit "$status"
