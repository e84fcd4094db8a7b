#!/usr/bin/env bash
# asyncpg's own tests (from its source distribution on PyPI), directly and through the proxy, under a policy that allows
# everything and masks nothing. Prints every test whose outcome differs; `docs/conformance.md` says why each one does.
#
# Needs `cargo build --profile stack --workspace --bins` and Python 3.11 or later. Leaves its work in target/conformance/asyncpg.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=0.30.0
place=$PWD/target/conformance/asyncpg
mkdir -p "$place"

python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet "asyncpg==$version" pytest pytest-timeout
"$place/venv/bin/pip" download --quiet --no-deps --no-binary asyncpg --dest "$place" "asyncpg==$version"
rm -rf "$place/asyncpg-$version"
tar -xzf "$place/asyncpg-$version.tar.gz" -C "$place"
# The tests import the package that is installed and built, not the one beside them.
mv "$place/asyncpg-$version/asyncpg" "$place/asyncpg-$version/unused"

"$place/venv/bin/python" tests/conformance/asyncpg.py "$place" "$version"
