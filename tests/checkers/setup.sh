#!/bin/sh
# Makes the Python environment of the independent checkers under target/checkers, with pinned versions. Run again at will.
set -eu
cd "$(dirname "$0")/../.."
venv=target/checkers/venv
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or later is needed (tomllib)"'
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check cbor2==5.7.1 cryptography==46.0.3
"$venv/bin/python" -c 'import cbor2, cryptography'
echo "checkers are ready: $venv/bin/python tests/checkers/python/check.py DIRECTORY TRUST_TOML"
