"""What the suites share: a stack whose policy allows everything and masks nothing, and both ways to its server."""

import contextlib
import json
import os
import pathlib
import subprocess
import tomllib
import urllib.parse

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
PLACE = REPOSITORY / "target/conformance"
PROGRAMS = pathlib.Path(os.environ.get("EXHIBIT_BIN", REPOSITORY / "target/stack"))

POLICY = """
version = 1
[[roles]]
name = "anyone"
match = { method = "api-key" }
[[targets]]
name = "clinic"
protocol = "postgres"
[[rules]]
name = "everything"
roles = ["anyone"]
targets = ["clinic"]
actions = ["read", "write", "delete", "define", "grant", "execute", "session", "transaction"]
effect = "allow"
"""


@contextlib.contextmanager
def running(place: pathlib.Path):
    """Gives the two URLs, by the names `direct` and `proxy`. Both end at the server as the same role, a superuser."""
    place.mkdir(parents=True, exist_ok=True)
    policy = place / "policy.toml"
    policy.write_text(POLICY)
    environment = os.environ | {"STACK_POLICY": str(policy)}
    with subprocess.Popen([PROGRAMS / "stack"], stdout=subprocess.PIPE, text=True, env=environment) as stack:
        try:
            described = json.loads(stack.stdout.readline())
            owner = described["postgres"]["direct"]
            deployment = pathlib.Path(described["config"]).parent
            server = tomllib.loads((deployment / "exhibit.toml").read_text())["proxy"]["postgres"][0]["server"]
            role, password = server["user"], (deployment / server["password_file"]).read_text().strip()
            subprocess.run(["psql", "-qc", f"ALTER ROLE {role} SUPERUSER", owner], check=True)
            direct = urllib.parse.urlsplit(owner)
            direct = direct._replace(netloc=f"{role}:{password}@{direct.hostname}:{direct.port}")
            yield {"direct": urllib.parse.urlunsplit(direct), "proxy": described["postgres"]["proxy"]}
        finally:
            stack.terminate()


def variables(url: str) -> dict[str, str]:
    """The environment by which libpq, and what follows its example, connects to a URL."""
    parts = urllib.parse.urlsplit(url)
    options = dict(urllib.parse.parse_qsl(parts.query))
    return os.environ | {
        "PGHOST": parts.hostname,
        "PGPORT": str(parts.port),
        "PGUSER": parts.username,
        "PGPASSWORD": parts.password,
        "PGDATABASE": parts.path[1:],
        "PGSSLMODE": options["sslmode"],
        "PGSSLROOTCERT": options["sslrootcert"],
    }


def compare(wanted: dict[str, str], found: dict[str, str]) -> int:
    """Prints every test whose outcome differs; gives the exit status. Where nothing ran directly, nothing was compared."""
    if not wanted:
        raise SystemExit("nothing ran directly")
    differences = [test for test in sorted(wanted | found) if wanted.get(test) != found.get(test)]
    for test in differences:
        print(f"{test}: {wanted.get(test, 'not run')} directly, {found.get(test, 'not run')} through the proxy")
    print(f"{len(wanted)} directly, {len(found)} through the proxy, {len(differences)} differ")
    return 1 if differences else 0
