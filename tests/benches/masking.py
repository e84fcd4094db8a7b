#!/usr/bin/env python3
"""What masks and a net cost a row on its whole way: the same result of ten columns under three policies, by turns.

    cargo build --profile stack --workspace --bins
    python3 tests/benches/masking.py target/stack/stack [--seconds 4] [--rounds 5] [--rows 1,100,10000] [--json FILE]

Each policy has a `stack` of its own (ledger and proxy in one process, every event durable before a row leaves): `plain` names no
mask and no net, `masks` masks three of the ten columns, `net` has a net over the seven others beside them. pgbench reads
so many rows to a transaction, prepared, with one client. Printed are CPU microseconds of the process to a row, the median of the rounds
with the least and the most, and the ratio to `plain` of the same rounds.
"""

import argparse
import contextlib
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

from pgbench import POLICY, Stack, cpu_seconds, written

TABLE = """
CREATE TABLE stays (id int PRIMARY KEY, name text, ssn text, born date, city text, ward int, admitted timestamptz,
  discharged timestamptz, cost numeric, note text);
INSERT INTO stays SELECT n, 'Name ' || md5(n::text), lpad((n * 7919 % 1000000000)::text, 9, '1'),
  date '1930-01-01' + (n * 37 % 30000), 'City ' || n % 97, n % 40, timestamptz '2020-01-01' + n * interval '1 hour',
  timestamptz '2020-01-03' + n * interval '1 hour', n * 13.37, 'admitted by ward ' || n % 40 || ', bed ' || n % 12 || ', no complaint'
  FROM generate_series(1, 10000) n;
GRANT SELECT ON stays TO PUBLIC;
ANALYZE stays;
"""

UNMASKED = POLICY[: POLICY.index("[[masks]]")]

MASKS = UNMASKED + """
[[masks]]
name = "name"
targets = ["clinic"]
resources = ["public.stays.name"]
technique = "redact"

[[masks]]
name = "ssn"
targets = ["clinic"]
resources = ["public.stays.ssn"]
technique = "token"

[[masks]]
name = "born"
targets = ["clinic"]
resources = ["public.stays.born"]
technique = "year"
"""

NET = MASKS + """
[[nets]]
name = "identifiers"
targets = ["clinic"]
categories = ["ssn", "card", "email", "phone"]
"""

POLICIES = {"plain": UNMASKED, "masks": MASKS, "net": NET}


def pgbench(url, script, length):
    """Runs pgbench over a script with one client; gives how many transactions it made."""
    command = ["pgbench", "-n", "-M", "prepared", "-c", "1", "-f", script, *length, url]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode != 0:
        raise SystemExit(f"pgbench failed:\n{ran.stderr}")
    return int(re.search(r"actually processed: (\d+)", ran.stdout)[1])


def measure(stack, pids, script, rows, seconds):
    """CPU microseconds of the stack to a row; one transaction before takes the connection out of it."""
    url = stack.described["postgres"]["proxy"]
    begun = cpu_seconds(pids)
    pgbench(url, script, ["-t", "1"])
    before = cpu_seconds(pids)
    transactions = pgbench(url, script, ["-T", str(seconds)])
    used = cpu_seconds(pids) - before - (before - begun)
    return used * 1e6 / max((transactions - 1) * rows, 1)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("stack")
    arguments.add_argument("--seconds", type=int, default=4)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--rows", default="1,100,10000")
    arguments.add_argument("--json")
    options = arguments.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as running:
        place = pathlib.Path(place)
        stacks = {}
        for name, policy in POLICIES.items():
            path, sql = place / f"{name}.toml", place / "stays.sql"
            path.write_text(policy)
            sql.write_text(TABLE)
            stacks[name] = Stack(options.stack, "full", path, sql)
            running.callback(stacks[name].stop)
        pids = {name: stack.pids() for name, stack in stacks.items()}
        for rows in map(int, options.rows.split(",")):
            script = place / "script.sql"
            script.write_text(f"SELECT * FROM stays WHERE id <= {rows};\n")
            found = {name: [] for name in stacks}
            for _ in range(options.rounds):
                for name, stack in stacks.items():
                    found[name].append(measure(stack, pids[name], script, rows, options.seconds))
            for name, values in found.items():
                ratio = statistics.median(mine / base for mine, base in zip(values, found["plain"]))
                middle = statistics.median(values)
                results.append({"rows": rows, "policy": name, "cpu_us_per_row": middle, "ratio": ratio, "all": values})
                print(
                    f"{rows:6} rows  {name:6} {middle:9.2f} us CPU to a row ({min(values):.2f} to {max(values):.2f})"
                    f"  {ratio:.2f} x plain",
                    flush=True,
                )
    written(results, options.json)


if __name__ == "__main__":
    sys.exit(main())
