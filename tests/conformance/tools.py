"""PostgreSQL's own programs directly and through the proxy: pg_dump, pg_restore, psql, pgbench, and the small ones.

    python3 tests/conformance/tools.py [dumps|psql|pgbench|small...]

Both ways end at one server as one role, but each has databases of its own, of the same content. What a program writes, and how it
ends, has to be the same. Prints every difference; what was written stays in target/conformance/tools.
"""

import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import time
import urllib.parse

import stack

PLACE = stack.PLACE / "tools"
SHAPES = """
CREATE EXTENSION hstore;
CREATE EXTENSION pgcrypto;
CREATE SCHEMA shop;
COMMENT ON SCHEMA shop IS 'what is sold';
CREATE TYPE shop.state AS ENUM ('open', 'paid', 'it''s sent');
CREATE DOMAIN shop.money AS numeric(12, 2) CHECK (VALUE >= 0);
CREATE TYPE shop.place AS (street text, town text);
CREATE TABLE shop.customer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, lives shop.place, tags hstore,
    born date, photo bytea, prefers jsonb DEFAULT '{}', CHECK (name <> '')
);
CREATE TABLE shop.bill (
    id serial, customer bigint REFERENCES shop.customer ON DELETE CASCADE, state shop.state DEFAULT 'open', sum shop.money,
    at timestamptz NOT NULL, doubled numeric GENERATED ALWAYS AS (sum * 2) STORED, PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE TABLE shop.bill_old PARTITION OF shop.bill FOR VALUES FROM (MINVALUE) TO ('2025-01-01');
CREATE TABLE shop.bill_new PARTITION OF shop.bill FOR VALUES FROM ('2025-01-01') TO (MAXVALUE);
CREATE INDEX ON shop.bill (customer) WHERE state = 'open';
CREATE VIEW shop.owed AS SELECT customer, sum(sum) FROM shop.bill WHERE state = 'open' GROUP BY customer;
CREATE MATERIALIZED VIEW shop.paid AS SELECT * FROM shop.bill WHERE state = 'paid';
CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.name := trim(NEW.name); RETURN NEW; END$$;
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON shop.customer FOR EACH ROW EXECUTE FUNCTION shop.touch();
CREATE PROCEDURE shop.settle(which bigint) LANGUAGE sql AS $$UPDATE shop.bill SET state = 'paid' WHERE customer = which$$;
CREATE AGGREGATE shop.longest(text) (SFUNC = text_larger, STYPE = text);
ALTER TABLE shop.customer ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON shop.customer USING (name = current_user);
CREATE STATISTICS shop.together ON customer, state FROM shop.bill;
CREATE TEXT SEARCH CONFIGURATION shop.plain (COPY = simple);
CREATE COLLATION shop.bytes FROM "C";
CREATE RULE quiet AS ON DELETE TO shop.bill_old DO INSTEAD NOTHING;
CREATE PUBLICATION everything FOR TABLE shop.customer;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere OPTIONS (host 'x');
CREATE FOREIGN TABLE shop.far (id int) SERVER elsewhere;
INSERT INTO shop.customer (name, lives, tags, born, photo)
    SELECT 'name ' || n, row('street ' || n, E'town\\twith\\\\tab')::shop.place, 'a=>1', '2000-01-01'::date + n, sha256(n::text::bytea)
    FROM generate_series(1, 500) n;
INSERT INTO shop.bill (customer, state, sum, at)
    SELECT 1 + n % 500, (ARRAY['open', 'paid', 'it''s sent']::shop.state[])[1 + n % 3], n, '2024-06-01'::timestamptz + n * interval '1 h'
    FROM generate_series(1, 9000) n;
REFRESH MATERIALIZED VIEW shop.paid;
ANALYZE;
"""
LARGE = "SELECT lo_from_bytea(90001, sha256('large'::bytea))"
# Names of databases end with these, which are equally long because psql pads columns.
ENDS = {"direct": "a", "proxy": "b"}

PSQL = r"""
\d | \d+ | \d shop.* | \d+ shop.* | \dt shop.* | \dt+ shop.* | \di+ shop.* | \dv shop.* | \dm shop.* | \ds shop.* | \dn+ | \df shop.*
\df+ shop.* | \da shop.* | \dT+ shop.* | \dD shop.* | \dO shop.* | \du | \dg+ | \dp shop.* | \ddp | \dx | \dx+ hstore | \dy | \db | \dc
\dC | \dd | \dE shop.* | \des+ | \det | \dew | \deu | \dF shop.* | \dFd | \dFp | \dFt | \dL+ | \do | \dP shop.* | \drds | \dRp+ | \dRs
\dX shop.* | \dA+ | \dAc | \dconfig+ work_mem | \dl | \sf shop.touch | \sv shop.owed | \z shop.* | \encoding | \conninfo
\dS pg_class | \d pg_catalog.pg_class | \dt *.*bill* | \timing off | \x on \\ TABLE shop.owed LIMIT 2; | \gdesc
SELECT 1 AS a, 'two' AS b \gdesc | SELECT 1 \gx | SELECT n, n % 3, n * 2 FROM generate_series(1, 6) n \crosstabview
SELECT 1/0; | SELECT * FROM nowhere; | SELEC 1; | SELECT 'no end | BEGIN; SELECT 1/0; SELECT 2; ROLLBACK; | SELECT 1; SELECT 2;
SELECT format('SELECT %s;', n) FROM generate_series(1, 3) n \gexec | SELECT :'x'; | \set x 5 \\ SELECT :x + 1; | \watch c=2 i=0.01
SET work_mem = '5MB'; SHOW work_mem; RESET work_mem; | LISTEN a; NOTIFY a, 'b'; | EXPLAIN (COSTS off) SELECT * FROM shop.bill WHERE id = 1;
DO $$BEGIN RAISE NOTICE 'hello'; RAISE WARNING 'there' USING HINT = 'a hint'; END$$; | VACUUM shop.bill; | ANALYZE;
CALL shop.settle(7); | COPY (SELECT 1, 'a b', NULL) TO STDOUT (FORMAT csv); | COPY shop.customer (name) TO STDOUT; | \lo_list
"""


def output(command: list, environment: dict[str, str], **more) -> str:
    done = subprocess.run(
        [str(part) for part in command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **more
    )
    said = done.stdout.decode(errors="replace")
    return f"{said}\n-- {done.returncode}\n"


def neutral(text: str, urls: dict[str, str]) -> str:
    """Without what names the way itself, or differs in any two runs."""
    for name in ("direct", "proxy"):
        parts = urllib.parse.urlsplit(urls[name])
        text = text.replace(f'port "{parts.port}"', "PORT").replace(f'port {parts.port}', "PORT").replace(f"as user \"{parts.username}\"", "USER")
    text = re.sub(r"\b(shop|copy|fill)_[ab]\b", r"\1", text)
    text = re.sub(r"\\(un)?restrict \S+", r"\\\1restrict", text)
    text = re.sub(r"\(protocol: .*", "", text)
    return re.sub(r"from server process with PID \d+|\d+\.\d+ (ms|s)\b|process \d+", "N", text)


def completions(environment: dict[str, str]) -> str:
    """What psql completes at a terminal."""
    said = []
    for keys in ("SELECT * FROM shop.b\t\t", "SELECT * FROM sho\t", "\\d shop.cus\t", "UPDATE shop.customer SET \t\t", "SET work\t", "DROP TYPE shop.\t\t"):
        process, terminal = pty.fork()
        if process == 0:
            os.execvpe("psql", ["psql", "-X", "-q"], environment | {"TERM": "dumb", "PAGER": "cat", "INPUTRC": "/dev/null"})
        seen = read_until(terminal, b"=#")
        os.write(terminal, keys.encode())
        # A completion has no end that could be waited for but silence.
        seen = read_until(terminal, None)
        os.write(terminal, b"\x15\\q\n")
        read_until(terminal, None)
        os.close(terminal)
        os.waitpid(process, 0)
        said.append(f"{keys!r}: {seen.decode(errors='replace')}")
    return "\n".join(said)


def read_until(terminal: int, wanted: bytes | None) -> bytes:
    seen = b""
    end = time.monotonic() + 20
    while time.monotonic() < end and (wanted is None or wanted not in seen):
        ready, _, _ = select.select([terminal], [], [], 20 if wanted else 1.5)
        if not ready:
            break
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
    return seen


def dumps(way: str, environment: dict[str, str]):
    place = PLACE / way
    yield "pg_dump plain", output(["pg_dump"], environment)
    yield "pg_dump plain with inserts", output(["pg_dump", "--inserts", "--rows-per-insert=50"], environment)
    yield "pg_dump clean and create", output(["pg_dump", "-C", "-c", "--if-exists"], environment)
    yield "pg_dumpall globals", output(["pg_dumpall", "--globals-only", "--no-role-passwords"], environment)
    for name, options in {
        "custom": ["-Fc"],
        "tar": ["-Ft"],
        "directory": ["-Fd", "-j", "3"],
    }.items():
        file = place / name
        yield f"pg_dump {name}", output(["pg_dump", *options, "-f", file], environment)
        yield f"what pg_dump {name} holds", output(["pg_restore", "-f", "-", file], environment)
        copy = f"copy_{ENDS[way]}"
        jobs = [] if name == "tar" else ["-j", "3"]
        yield f"createdb {name}", output(["createdb", "-T", "template0", copy], environment)
        yield f"pg_restore {name}", output(["pg_restore", *jobs, "-d", copy, file], environment)
        yield f"what {name} restored", output(["pg_dump", "-d", copy], environment)
        yield f"dropdb {name}", output(["dropdb", copy], environment)
    copy = f"copy_{ENDS[way]}"
    plain = place / "plain.sql"
    output(["pg_dump", "-f", plain], environment)
    yield "createdb plain", output(["createdb", "-T", "template0", copy], environment)
    yield "psql restores plain", output(["psql", "-qX", "-d", copy, "-v", "ON_ERROR_STOP=1", "-f", plain], environment)
    yield "what psql restored", output(["pg_dump", "-d", copy], environment)
    yield "dropdb plain", output(["dropdb", copy], environment)
    output(["psql", "-X", "-c", LARGE], environment)
    yield "pg_dump large objects", output(["pg_dump", "-b"], environment)
    output(["psql", "-X", "-c", "SELECT lo_unlink(90001)"], environment)


def psql(way: str, environment: dict[str, str]):
    for command in (part.strip() for line in PSQL.strip().splitlines() for part in line.split(" | ")):
        yield f"psql {command}", output(["psql", "-X"], environment, input=command.encode() + b"\n")
    yield "psql completes", completions(environment)
    file = PLACE / way / "rows"
    for name, options in {"text": "", "csv": "csv header", "binary": "(format binary)"}.items():
        there = f"\\copy shop.customer to {file} {options}".strip()
        yield f"psql copies out {name}", output(["psql", "-X", "-c", there], environment)
        yield f"rows {name}", file.read_bytes().hex() if file.exists() else "none"
        table = "CREATE TEMP TABLE t (LIKE shop.customer)"
        back = ["-c", table, "-c", f"\\copy t from {file} {options}".strip(), "-c", "SELECT count(*), md5(string_agg(t::text, '')) FROM t"]
        yield f"psql copies in {name}", output(["psql", "-X", *back], environment)
    yield "psql -1 -f", output(["psql", "-X", "-1", "-f", "-"], environment, input=b"CREATE TABLE t (a int);\nSELECT 1/0;\n")
    yield "psql -l", output(["psql", "-X", "-l"], environment)


def pgbench(way: str, environment: dict[str, str]):
    fill = f"fill_{ENDS[way]}"
    environment = environment | {"PGDATABASE": fill}
    output(["createdb", fill], environment)
    steps = output(["pgbench", "-i", "-s", "2", "-I", "dtgvpf"], environment)
    yield "pgbench -i", re.sub(r"\d+\.\d+", "N", steps)
    yield "pgbench -i, at the server", re.sub(r"\d+\.\d+", "N", output(["pgbench", "-i", "-s", "1", "-I", "dtGvp"], environment))
    checks = "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history), count(*) FROM pgbench_history"
    for mode in ("simple", "extended", "prepared"):
        for script in ("tpcb-like", "simple-update", "select-only"):
            said = output(["pgbench", "-n", "-M", mode, "-b", script, "-c", "4", "-j", "2", "-t", "50"], environment)
            kept = [line for line in said.splitlines() if re.match(r"number of (transactions actually|failed)|--|pgbench: err", line)]
            yield f"pgbench {mode} {script}", "\n".join(kept)
        yield f"what {mode} has done", output(["psql", "-XAt", "-c", checks], environment)
    pipeline = b"\\startpipeline\nSELECT 1;\nSELECT 2;\nUPDATE pgbench_branches SET bbalance = bbalance + 1;\n\\endpipeline\n"
    file = PLACE / way / "pipeline.sql"
    file.write_bytes(pipeline)
    said = output(["pgbench", "-n", "-M", "extended", "-f", file, "-c", "2", "-t", "50"], environment)
    yield "pgbench pipeline", "\n".join(line for line in said.splitlines() if re.match(r"number of (transactions actually|failed)|--|pgbench: err", line))
    yield "dropdb", output(["dropdb", fill], environment)


def small(_, environment: dict[str, str]):
    yield "pg_isready", output(["pg_isready"], environment).split(" - ")[-1]
    yield "vacuumdb", output(["vacuumdb", "-z", "-j", "2"], environment)
    yield "reindexdb", output(["reindexdb", "-S", "shop"], environment)
    yield "clusterdb", output(["clusterdb", "-t", "shop.customer"], environment)
    yield "createuser", output(["createuser", "-D", "somebody"], environment)
    yield "dropuser", output(["dropuser", "somebody"], environment)


def run(way: str, urls: dict[str, str]) -> dict[str, str]:
    shutil.rmtree(PLACE / way, ignore_errors=True)
    (PLACE / way).mkdir(parents=True)
    direct = stack.variables(urls["direct"])
    output(["createdb", f"shop_{ENDS[way]}"], direct)
    made = output(["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", f"shop_{ENDS[way]}"], direct, input=SHAPES.encode())
    if not made.endswith("-- 0\n"):
        sys.exit(made)
    environment = stack.variables(urls[way]) | {"PGDATABASE": f"shop_{ENDS[way]}", "PAGER": "cat"}
    results = {}
    for part in [part for part in (dumps, psql, pgbench, small) if part.__name__ in (sys.argv[1:] or part.__name__)]:
        results |= {name: neutral(text, urls) for name, text in part(way, environment)}
        print(f"{way}: {len(results)}", flush=True)
    # The databases of the other way come after.
    output(["dropdb", f"shop_{ENDS[way]}"], direct)
    for name, text in results.items():
        (PLACE / way / (re.sub(r"\W+", "_", name)[:80] + ".txt")).write_text(text)
    return results


def main() -> int:
    with stack.running(PLACE) as urls:
        results = {way: run(way, urls) for way in ("direct", "proxy")}
    direct, proxy = results["direct"], results["proxy"]
    return stack.compare(dict.fromkeys(direct, "same"), {name: "same" if proxy[name] == text else "differs" for name, text in direct.items()})


if __name__ == "__main__":
    sys.exit(main())
