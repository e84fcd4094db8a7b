#!/usr/bin/env bash
# psycopg2's own tests (from its source distribution on PyPI), directly and through the proxy, under a policy that allows
# everything and masks nothing. Prints every test whose outcome differs; `docs/conformance.md` says why each one does.
#
# Needs `cargo build --profile stack --workspace --bins` and Python 3.11 or later. Leaves its work in target/conformance/psycopg2.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=2.9.10
place=$PWD/target/conformance/psycopg2
mkdir -p "$place"
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet "psycopg2-binary==$version" pytest==9.2.0 pytest-timeout==2.4.0
"$place/venv/bin/pip" download --quiet --no-deps --no-binary psycopg2 --dest "$place" "psycopg2==$version"
rm -rf "$place/psycopg2-$version"
tar -xzf "$place/psycopg2-$version.tar.gz" -C "$place"

"$place/venv/bin/python" tests/conformance/psycopg2.py "$place" "$version"
