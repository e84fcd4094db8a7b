"""Synthea's hospital through the proxy: every table, with psql and psycopg, masked where the policy says so.

    python tests/conformance/synthea.py DATA_DIRECTORY [PATH_OF_THE_STACK_PROGRAM]

DATA_DIRECTORY holds Synthea's CSV files (patients.csv, encounters.csv, ...). Needs psycopg 3 and psql. The data is loaded
into a schema of its own, directly; then every table is read through the proxy and compared with the server cell by cell:
masked columns must differ, all others must be equal, and no value of a masked column may stand in anything received or in
the export. Prints what it compared; ends with status 1 at the first difference.
"""

import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import psycopg
from psycopg import sql

MASKED = {
    "patients": ["ssn", "drivers", "passport", "first", "last", "maiden", "address", "lat", "lon", "zip", "birthplace"],
    "providers": ["name", "address"],
    "organizations": ["phone", "address"],
    "payers": ["phone"],
    "devices": ["udi"],
    # Some observations are a person's address, in the column that holds heights and weights in other rows.
    "observations": ["value"],
}
POLICY = """
version = 1
[[roles]]
name = "pipeline"
match = {{ method = "api-key", groups = ["pipelines"] }}
[[targets]]
name = "clinic"
protocol = "postgres"
[[rules]]
name = "reads"
roles = ["pipeline"]
targets = ["clinic"]
actions = ["read", "session", "transaction"]
effect = "allow"
[[masks]]
name = "identifiers"
targets = ["clinic"]
resources = {resources}
technique = "redact"
"""


def main(data: pathlib.Path, program: str) -> None:
    resources = [f"synthea.{table}.{column}" for table, columns in MASKED.items() for column in columns]
    with tempfile.TemporaryDirectory() as place:
        policy = pathlib.Path(place, "policy.toml")
        policy.write_text(POLICY.format(resources=json.dumps(resources)))
        stack = subprocess.Popen([program], stdout=subprocess.PIPE, text=True, env={**os.environ, "STACK_POLICY": str(policy)})
        try:
            described = json.loads(stack.stdout.readline())
            tables = load(data, described["postgres"]["direct"])
            compare(tables, described, place)
        finally:
            stack.terminate()
            stack.wait()


def load(data: pathlib.Path, url: str) -> dict[str, list[str]]:
    """Makes a table to each file, all columns text, and gives their columns."""
    tables = {}
    with psycopg.connect(url) as server:
        server.execute("CREATE SCHEMA synthea")
        paths = sorted(data.glob("*.csv"))
        if not paths:
            raise SystemExit(f"{data} holds no CSV file")
        for path in paths:
            with path.open(newline="") as file:
                rows = list(csv.reader(file))
            columns = [name.lower() for name in rows[0]]
            table = sql.Identifier("synthea", path.stem)
            names = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in columns)
            server.execute(sql.SQL("CREATE TABLE {} (line integer, {})").format(table, names))
            with server.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(table)) as copy:
                for line, row in enumerate(rows[1:]):
                    copy.write_row([line, *[value or None for value in row]])
            tables[path.stem] = columns
        server.execute("GRANT USAGE ON SCHEMA synthea TO exhibit")
        server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA synthea TO exhibit")
    return tables


def compare(tables: dict[str, list[str]], described: dict, place: str) -> None:
    secrets: set[str] = set()
    received = []
    cells = masked = 0
    with psycopg.connect(described["postgres"]["direct"]) as server, psycopg.connect(
        described["postgres"]["proxy"], autocommit=True
    ) as agent:
        for table, columns in tables.items():
            query = sql.SQL("SELECT * FROM {} ORDER BY line").format(sql.Identifier("synthea", table))
            # By position of a column that is not masked; `*` covers the masked ones.
            raw = server.execute(query).fetchall()
            seen = agent.execute(query).fetchall()
            assert len(raw) == len(seen), f"{table}: {len(raw)} rows, {len(seen)} through the proxy"
            hidden = {columns.index(name) + 1 for name in MASKED.get(table, []) if name in columns}
            for before, after in zip(raw, seen):
                for place_, (value, shown) in enumerate(zip(before, after)):
                    cells += 1
                    if place_ in hidden and value is not None:
                        masked += 1
                        assert shown == "[redacted]", f"{table}: column {place_} is not masked"
                        # Short values and plain words (a finding, a payer) stand elsewhere by right.
                        if len(value) > 7 and any(character.isdigit() for character in value):
                            secrets.add(value)
                    else:
                        assert shown == value, f"{table}: column {place_} differs"
            received.append(repr(seen))
            print(f"{table}: {len(raw)} rows equal, {len(hidden)} columns masked")
    for table in tables:
        text = run(["psql", described["postgres"]["proxy"], "-XAt", "-c", f'SELECT * FROM synthea."{table}"'])
        received.append(text)
    open_values = {value for text in received for value in secrets if value in text}
    assert not open_values, f"{len(open_values)} masked values were received: {sorted(open_values)[:5]}"
    bundle = os.path.join(place, "bundle")
    run([*described["export"].split(), bundle])
    for root, _, files in os.walk(bundle):
        for name in files:
            content = pathlib.Path(root, name).read_bytes()
            assert not any(value.encode() in content for value in secrets), f"a masked value stands in {name}"
    print(f"{len(tables)} tables, {cells} cells compared, {masked} masked, {len(secrets)} values searched in all that was received and in the export: none")


def run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else "target/stack/stack")
