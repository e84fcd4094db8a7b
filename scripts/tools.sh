#!/usr/bin/env bash
# Installs what the build and the tests need on Debian and is not there yet: a real PostgreSQL, libclang for the real
# PostgreSQL grammar, OpenSSH for approvers' keys, Python for the independent checker, age for sealed copies,
# npm for PostgreSQL 18 and node-postgres, Chromium to show reports in, poppler and qpdf for the report's PDF, Ceph's gateway as a
# real object store, the AWS CLI and rclone as its clients, cargo-deny.
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
[ "${1:-}" != test ] || need 'command -v rclone' rclone
[ "${1:-}" != test ] || need 'command -v age && command -v age-keygen' age
[ "${1:-}" != test ] || need 'command -v npm' npm
[ "${1:-}" != test ] || need 'command -v node' nodejs
need 'command -v pdftotext && command -v pdfinfo' poppler-utils
[ "${1:-}" != test ] || need 'command -v qpdf' qpdf
[ "${1:-}" != test ] || need 'test -x /usr/bin/chromium' chromium
need 'python3 -m ensurepip --version || python3 -m venv --help' python3-venv

# Ceph's packages recommend what runs a cluster of machines (metadata servers, thin volumes), which tests need nothing of: 69 MB are fetched.
lean=()
command -v radosgw >/dev/null || lean+=(radosgw)
command -v ceph-mon >/dev/null || lean+=(ceph-mon)
command -v ceph-osd >/dev/null || lean+=(ceph-osd)

if [ "$((${#missing[@]} + ${#lean[@]}))" -gt 0 ]; then
  echo installing: "${missing[@]}" "${lean[@]}" >&2
  run=(); [ "$(id -u)" -eq 0 ] || run=(sudo)
  # sudo lets no variable through, so it is set behind it.
  run+=(env DEBIAN_FRONTEND=noninteractive)
  "${run[@]}" apt-get update -qq
  [ "${#missing[@]}" -eq 0 ] || "${run[@]}" apt-get install -y -qq "${missing[@]}" >/dev/null
  if [ "${#lean[@]}" -gt 0 ]; then
    # They bring daemons for real disks (ceph-crash, smartd), which installing would start. Debian asks this file before it starts any.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
      trap '"${run[@]}" rm -f "$policy"' EXIT # ours, so it goes again
      printf '#!/bin/sh\nexit 101\n' | "${run[@]}" install -m 755 /dev/stdin "$policy"
    fi
    "${run[@]}" apt-get install -y -qq --no-install-recommends "${lean[@]}" >/dev/null
  fi
fi

# A current PostgreSQL and other drivers are for the tests alone; the demo runs on Debian's, and fetches the AWS CLI itself.
if [ "${1:-}" = test ]; then
  scripts/postgresql18.sh
  tests/drivers/setup.sh
fi

# The licence check is part of `make test` alone; it takes minutes to build, once to a machine.
if [ "${1:-}" = deny ] && ! cargo deny --version >/dev/null 2>&1; then
  echo "installing: cargo-deny (some minutes)" >&2
  cargo install --locked --quiet cargo-deny
fi
