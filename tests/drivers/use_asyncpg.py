"""What asyncpg does with a server, one line to each thing: its name and what came of it. See use_psycopg.py.

    python use_asyncpg.py URL
"""

import asyncio
import datetime
import decimal
import io
import sys
import uuid

import asyncpg

URL = sys.argv[1]
VALUES = {
    "int8": 2**62, "int2": -3, "float8": 0.1, "numeric": decimal.Decimal("1e30"), "bool": False, "text": "Zoë\n", "bytea": b"\x00x",
    "date": datetime.date(1, 1, 1), "timestamptz": datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc), "uuid": uuid.UUID(int=9),
    "interval": datetime.timedelta(days=2), "int4[]": [[1, 2], [3, None]], "text[]": ["a", ""], "jsonb": '{"a": 1}', "inet": None,
    "int4range": asyncpg.Range(1, 5), "point": asyncpg.Point(1, 2), "time": datetime.time(1, 2, 3), "bit varying": asyncpg.BitString("101"),
}  # fmt: skip


def said(name, value):
    print(f"{name} = {value!r}")


async def failed(name, awaited):
    try:
        await awaited
    except asyncpg.PostgresError as error:
        said(name, (type(error).__name__, error.sqlstate, str(error), error.position))
    else:
        said(name, "no error")


async def main():
    agent, other = await asyncpg.connect(URL), await asyncpg.connect(URL)
    for kind, value in VALUES.items():
        said(kind, await agent.fetchval(f"SELECT $1::{kind}", value))
    statement = await agent.prepare("SELECT $1::int AS a, $2::text AS b")
    said("parameters", [kind.name for kind in statement.get_parameters()])
    said("attributes", [(one.name, one.type.name) for one in statement.get_attributes()])
    said("prepared", [await statement.fetchrow(number, "x") for number in range(20)])
    said("script", await agent.execute("CREATE TEMP TABLE t (a int PRIMARY KEY, b text); INSERT INTO t VALUES (0, 'zero')"))
    await agent.executemany("INSERT INTO t VALUES ($1, $2)", [(number, f"row {number}") for number in range(1, 500)])
    said("many", await agent.fetchrow("SELECT count(*), sum(a), max(b) FROM t"))
    await agent.execute("CREATE TYPE pg_temp.mood AS ENUM ('calm', 'cross'); CREATE TYPE pg_temp.pair AS (a int, b text)")
    said("composite", await agent.fetchval("SELECT row(1, 'x')::pg_temp.pair"))
    said("enumeration", await agent.fetchval("SELECT $1::pg_temp.mood[]", ["calm", "cross"]))
    async with agent.transaction():
        steps = agent.cursor("SELECT a FROM t ORDER BY a", prefetch=50)
        said("cursor", sum([row["a"] async for row in steps]))
    try:
        async with agent.transaction(isolation="serializable", readonly=True):
            await agent.execute("CREATE TABLE never (a int)")
    except asyncpg.PostgresError as error:
        said("read only", error.sqlstate)
    async with agent.transaction():
        try:
            async with agent.transaction():
                await agent.execute("INSERT INTO t VALUES (1000)")
                await agent.execute("SELECT 1 / 0")
        except asyncpg.DivisionByZeroError:
            said("nested", agent.is_in_transaction())
        await agent.execute("INSERT INTO t VALUES (1001)")
    said("kept", await agent.fetch("SELECT a FROM t WHERE a >= 1000"))
    await failed("division", agent.fetch("SELECT $1::int / 0", 1))
    await failed("syntax", agent.fetch("SELEC $1", 1))
    await failed("syntax in a script", agent.execute("SELECT 1; SELEC 2"))
    await failed("no column", agent.fetch("SELECT nothing FROM t"))
    await failed("duplicate", agent.execute("INSERT INTO t VALUES ($1)", 1))
    await agent.copy_records_to_table("t", records=[(number, None) for number in range(2_000, 9_000)])
    said("copied in", await agent.fetchrow("SELECT count(*), sum(a) FROM t"))
    for form in ("text", "csv", "binary"):
        content = io.BytesIO()
        done = await agent.copy_from_query("SELECT * FROM t WHERE a < $1 ORDER BY a", 100, output=content, format=form)
        said(f"copied out {form}", (done, content.getvalue()[-30:]))
    await failed("copy fails", agent.copy_to_table("t", source=io.BytesIO(b"x\ty\n")))
    heard = asyncio.Queue()
    await agent.add_listener("news", lambda _, __, channel, payload: heard.put_nowait((channel, payload)))
    await other.execute("NOTIFY news, 'hello'")
    said("notified", await asyncio.wait_for(heard.get(), 30))
    try:
        await agent.fetch("SELECT pg_sleep(60)", timeout=0.2)
    except asyncio.TimeoutError:
        said("timed out", await agent.fetchval("SELECT 1"))
    said("changed definition", await agent.execute("ALTER TABLE t ADD c int DEFAULT 7"))
    said("after it", await agent.fetchrow("SELECT * FROM t WHERE a = $1", 0))
    said("settings", [getattr(agent.get_settings(), name) for name in ("client_encoding", "server_version", "TimeZone")])
    await agent.reset()
    said("reset", agent.is_closed())
    ended = asyncio.get_running_loop().create_future()
    agent.add_termination_listener(lambda _: ended.done() or ended.set_result(True))
    said("terminated", await other.fetchval("SELECT pg_terminate_backend($1)", agent.get_server_pid()))
    said("ended", await asyncio.wait_for(ended, 30))
    await other.close()


asyncio.run(main())
