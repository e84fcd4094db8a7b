"""Runs SQLAlchemy's PostgreSQL dialect suite directly and through the proxy, and compares it test for test.

    python3 tests/conformance/sqlalchemy.py PLACE VERSION psycopg|asyncpg
"""

import pathlib
import re
import subprocess
import sys
import urllib.parse

import stack

FILES = ["test/dialect/test_suite.py", "test/dialect/postgresql"]
# Outcomes with the reasons cut off; a skipped test is one that asks for what neither way has.
OUTCOME = re.compile(r"^(PASSED|FAILED|ERROR|XFAIL|XPASS) (test/.+?)(?: - .*)?$", re.MULTILINE)
DATABASE = "sqlalchemy"
SETUP = [
    f"DROP DATABASE IF EXISTS {DATABASE}",
    f"CREATE DATABASE {DATABASE} TEMPLATE template0",
]
SCHEMAS = ["CREATE SCHEMA test_schema", "CREATE SCHEMA test_schema_2", "CREATE EXTENSION hstore", "CREATE EXTENSION citext"]


def database(url: str) -> str:
    return urllib.parse.urlunsplit(urllib.parse.urlsplit(url)._replace(path=f"/{DATABASE}"))


def run(place: pathlib.Path, version: str, driver: str, way: str, urls: dict[str, str]) -> dict[str, str]:
    for url, statements in ((urls["direct"], SETUP), (database(urls["direct"]), SCHEMAS)):
        for statement in statements:
            subprocess.run(["psql", "-qXc", statement, url], check=True, stderr=subprocess.DEVNULL)
    parts = urllib.parse.urlsplit(database(urls[way]))
    # The two drivers read these from the environment alike; in the URL each has names of its own.
    url = f"postgresql+{driver}://{parts.username}:{parts.password}@{parts.hostname}:{parts.port}{parts.path}"
    command = [place / "venv/bin/python", "-m", "pytest", *FILES, "-q", "-rA", "-p", "no:cacheprovider", "--timeout=120"]
    command += ["--maxfail=100000", "--dburi", url]
    done = subprocess.run(
        command,
        cwd=place / f"sqlalchemy-{version}",
        env=stack.variables(urls[way]),
        capture_output=True,
        text=True,
        check=False,
    )
    (place / f"{driver}-{way}.txt").write_text(done.stdout + done.stderr)
    outcomes = {test: outcome for outcome, test in OUTCOME.findall(done.stdout)}
    print(f"{driver} {way}: {done.stdout.splitlines()[-1] if done.stdout else done.stderr}", flush=True)
    return outcomes


def main() -> int:
    place, version, driver = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    with stack.running(place) as urls:
        results = {way: run(place, version, driver, way, urls) for way in ("direct", "proxy")}
    return stack.compare(results["direct"], results["proxy"])


if __name__ == "__main__":
    sys.exit(main())
