"""Runs asyncpg's tests against the server and against the proxy of a stack, and compares them test for test."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib
import urllib.parse

# Without those that start servers or break connections of their own (connect, adversity), and those about the source.
FILES = (
    "cache_invalidation cancellation codecs copy cursor exceptions execute introspection listeners logging pool prepare"
    " record timeout transaction types utils"
).split()

OUTCOME = re.compile(r"^(PASSED|FAILED|ERROR|SUBFAILED\S*) (?:.*? )?(tests/\S+)", re.MULTILINE)


def run(place: pathlib.Path, version: str, name: str, url: urllib.parse.SplitResult) -> dict[str, str]:
    options = dict(urllib.parse.parse_qsl(url.query))
    environment = os.environ | {
        "PGHOST": url.hostname,
        "PGPORT": str(url.port),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.path[1:],
        "PGSSLMODE": options["sslmode"],
        "PGSSLROOTCERT": options["sslrootcert"],
    }
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "--tb=short", "-p", "no:cacheprovider", "--timeout=60"]
    command += ["--import-mode=append", *(f"tests/test_{file}.py" for file in FILES)]
    tests = place / f"asyncpg-{version}"
    done = subprocess.run(command, cwd=tests, env=environment, capture_output=True, text=True, check=False)
    (place / f"{name}.txt").write_text(done.stdout)
    outcomes: dict[str, str] = {}
    for outcome, test in OUTCOME.findall(done.stdout):
        failed = outcome != "PASSED"
        outcomes[test] = "failed" if failed or outcomes.get(test) == "failed" else "passed"
    print(f"{name}: {done.stdout.splitlines()[-1] if done.stdout else done.stderr}")
    return outcomes


def main() -> int:
    place, version = pathlib.Path(sys.argv[1]), sys.argv[2]
    stack = json.loads((place / "stack.json").read_text())
    owner = stack["postgres"]["direct"]
    deployment = pathlib.Path(stack["config"]).parent
    server = tomllib.loads((deployment / "exhibit.toml").read_text())["proxy"]["postgres"][0]["server"]
    role, password = server["user"], (deployment / server["password_file"]).read_text().strip()
    # Both ways end at the server as the same role, and the tests want one that may do everything.
    subprocess.run(["psql", "-qc", f"ALTER ROLE {role} SUPERUSER", owner], check=True)
    direct = urllib.parse.urlsplit(owner)
    direct = direct._replace(netloc=f"{role}:{password}@{direct.hostname}:{direct.port}")
    wanted = run(place, version, "direct", direct)
    found = run(place, version, "proxy", urllib.parse.urlsplit(stack["postgres"]["proxy"]))
    differences = [test for test in sorted(wanted | found) if wanted.get(test) != found.get(test)]
    for test in differences:
        print(f"{test}: {wanted.get(test, 'not run')} directly, {found.get(test, 'not run')} through the proxy")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
