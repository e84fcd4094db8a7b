#!/usr/bin/env python3
"""Results and values that are large: memory while they pass with full evidence, and COPY out against the server directly.

    cargo build --profile stack --workspace --bins
    python3 tests/benches/large.py target/stack/stack [--gib 5] [--rounds 3] [--json FILE]

Needs psycopg. Reads a result of so many GiB row by row, copies 256 MiB out directly and through the proxy by turns, and
passes one value of 400 MB in and out again. Prints the resident memory of ledger and proxy (one process) while each passes.
The ledger keeps all of it, so the disk has to have room for twice as much.
"""

import argparse
import hashlib
import statistics
import sys
import threading
import time

from connections import resident_kib
from pgbench import POLICY, alone, imported_psycopg, written

# Some 2 KiB of text that does not compress to nothing, another in each row.
ROW = "SELECT i, repeat(md5(i::text), 60) FROM generate_series(1, %d) i"
ROW_BYTES = 1_920
COPY_BYTES = 256 << 20
VALUE_BYTES = 400_000_000


class Memory(threading.Thread):
    """The largest resident memory while something runs."""

    def __init__(self, pids):
        super().__init__(daemon=True)
        self.pids, self.largest, self.done = pids, 0, threading.Event()

    def run(self):
        while not self.done.wait(0.2):
            self.largest = max(self.largest, resident_kib(self.pids))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()


def main():
    psycopg = imported_psycopg()
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("stack")
    arguments.add_argument("--gib", type=float, default=5)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--json")
    options = arguments.parse_args()
    # Without masks: what is measured is the way of the bytes.
    with alone(options.stack, POLICY.split("[[masks]]")[0]) as stack:
        measured = measure(stack, options, psycopg)
    written(measured, options.json)


def measure(stack, options, psycopg):
    ways = {way: stack.described["postgres"][way] for way in ("direct", "proxy")}
    pids = stack.pids()
    measured = {"before_kib": resident_kib(pids)}
    print(f"before: {measured['before_kib'] / 1024:.0f} MiB", flush=True)
    rates = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way, url in ways.items():
            with psycopg.connect(url, autocommit=True) as connection:
                rates[way].append(copied(connection))
    medians = {way: statistics.median(rates[way]) for way in ways}
    measured["copy_mib_per_s"] = medians
    print(
        f"copy out: {medians['direct']:.0f} MiB/s directly, {medians['proxy']:.0f} MiB/s through the proxy "
        f"({medians['proxy'] / medians['direct']:.2f} x)",
        flush=True,
    )
    with psycopg.connect(ways["proxy"], autocommit=True) as connection:
        with Memory(pids) as memory:
            value(connection)
        measured["value_kib"] = memory.largest
        print(f"a value of {VALUE_BYTES / 1e6:.0f} MB, in and out: {memory.largest / 1024:.0f} MiB at the most", flush=True)
        rows = int(options.gib * (1 << 30) / ROW_BYTES)
        with Memory(pids) as memory:
            start = time.monotonic()
            digest, count = hashlib.sha256(), 0
            for number, text in connection.cursor().stream(ROW % rows):
                count += 1
                if number % 1_000 == 0:
                    digest.update(text.encode())
            seconds = time.monotonic() - start
        if count != rows or digest.digest() != expected(rows):
            raise SystemExit("the result is another one")
    measured["result"] = {"rows": rows, "seconds": seconds, "kib": memory.largest}
    print(
        f"a result of {options.gib:g} GiB in {rows} rows: {seconds:.0f} s ({options.gib * 1024 / seconds:.0f} MiB/s), "
        f"{memory.largest / 1024:.0f} MiB at the most",
        flush=True,
    )
    return measured


def copied(connection):
    """MiB a second."""
    rows = COPY_BYTES // ROW_BYTES
    start, size = time.monotonic(), 0
    with connection.cursor().copy(f"COPY ({ROW % rows}) TO STDOUT") as copy:
        for part in copy:
            size += len(part)
    if size < COPY_BYTES * 0.99:
        raise SystemExit("the copy is short")
    return size / (1 << 20) / (time.monotonic() - start)


def value(connection):
    sent = bytes(VALUE_BYTES)
    cursor = connection.cursor(binary=True)
    (back,) = cursor.execute("SELECT %b::bytea", [sent]).fetchone()
    if back != sent:
        raise SystemExit("the value is another one")


def expected(rows):
    digest = hashlib.sha256()
    for number in range(1_000, rows + 1, 1_000):
        digest.update((hashlib.md5(str(number).encode()).hexdigest() * 60).encode())
    return digest.digest()


if __name__ == "__main__":
    sys.exit(main())
