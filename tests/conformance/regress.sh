#!/usr/bin/env bash
# PostgreSQL's own regression and isolation tests (from Debian's source package), directly and through the proxy, under a
# policy that allows everything and masks nothing. Prints every test whose output differs, and keeps the differences;
# `docs/conformance.md` says why each one does.
#
#     tests/conformance/regress.sh [regress|isolation [TEST...]]
#
# Needs `cargo build --profile stack --workspace --bins`, Debian's PostgreSQL 15 with its client programs, build-essential, and
# `deb-src` lines for apt. Leaves its work in target/conformance/regress.
set -euo pipefail
cd "$(dirname "$0")/../.."

place=$PWD/target/conformance/regress
version=$(dpkg-query -W -f '${Version}' postgresql-15)
mkdir -p "$place"
source=$place/postgresql-${version%%-*}
if [ ! -x "$source/src/test/isolation/isolationtester" ]; then
  [ -f "$place/postgresql-15_${version%%-*}.orig.tar.bz2" ] ||
    (cd "$place" && apt-get source --download-only -qq "postgresql-15=$version")
  tar -xjf "$place/postgresql-15_${version%%-*}.orig.tar.bz2" -C "$place"
  cd "$source"
  # Only the drivers of the tests and the libraries that they load; the server is Debian's.
  ./configure --quiet --without-readline --without-zlib --without-icu --prefix="$(dirname "$(pg_config --bindir)")"
  make --silent -C src/backend generated-headers
  make --silent -C src/test/regress all
  make --silent -C src/test/isolation all
  make --silent -C contrib/spi
  cd - >/dev/null
fi

suite=${1:-regress}
shift || true
python3 tests/conformance/regress.py "$source" "$suite" "$@"
