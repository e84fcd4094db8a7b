"""What psycopg does with a server, one line to each thing: its name and what came of it.

    python use_psycopg.py URL

Through the proxy the lines have to be those of the server. Nothing in them differs between any two runs.
"""

import datetime
import decimal
import sys
import threading
import uuid

import psycopg
from psycopg import errors
from psycopg.types.json import Jsonb
from psycopg.types.range import Range

URL = sys.argv[1]
VALUES = [
    1, -(2**63) + 1, 1.5, decimal.Decimal("12345678901234567890.0987654321"), True, "Zoë 'quoted' \\ \n", b"\x00\xff", None,
    datetime.date(1999, 12, 31), datetime.datetime(2024, 2, 29, 12, 0, 0, 123456), datetime.timedelta(days=3, seconds=7),
    uuid.UUID(int=7), [1, 2, None], ["a", 'b"c'], Jsonb({"a": [1, None]}), Range(1, 10),
]  # fmt: skip


def said(name, value):
    print(f"{name} = {value!r}")


def failed(name, connection, statement, *parameters):
    try:
        connection.execute(statement, *parameters)
    except psycopg.Error as error:
        diagnostic = error.diag
        said(name, (type(error).__name__, error.sqlstate, diagnostic.message_primary, diagnostic.statement_position))
    else:
        said(name, "no error")


def types(connection):
    for place, value in enumerate(VALUES):
        for binary in (False, True):
            said(f"value {place} binary {binary}", connection.cursor(binary=binary).execute("SELECT %s", [value]).fetchall())
    cursor = connection.execute("SELECT 1::int2 AS a, 'x'::varchar(9) AS b, now() AS c, ARRAY[1.5]")
    said("description", [(column.name, column.type_code, column.display_size) for column in cursor.description])


def statements(connection):
    for _ in range(7):
        said("prepared", connection.execute("SELECT %s::int + 1", [41], prepare=True).fetchone())
    said("several", [cursor.fetchall() for cursor in connection.execute("SELECT 1; SELECT 2, 3; VALUES (4)").results()])
    said("empty", connection.execute("").statusmessage)
    said("status", connection.execute("CREATE TEMP TABLE t (a int PRIMARY KEY, b text)").statusmessage)
    cursor = connection.cursor()
    cursor.executemany("INSERT INTO t VALUES (%s, %s) RETURNING a", [(n, f"row {n}") for n in range(20)], returning=True)
    said("many", [one.fetchall() for one in cursor.results()])
    said("changed", connection.execute("UPDATE t SET b = NULL WHERE a < 5").rowcount)
    with connection.transaction(), connection.cursor(name="walk") as walk:
        walk.execute("SELECT a FROM t ORDER BY a")
        said("cursor", (walk.fetchmany(3), walk.fetchall()[-1]))
        walk.scroll(0, mode="absolute")
    said("stream", list(connection.cursor().stream("SELECT a FROM t ORDER BY a LIMIT 4")))


def failures(connection):
    failed("division", connection, "SELECT 1 / 0")
    failed("syntax", connection, "SELECT FROM WHERE")
    failed("no table", connection, "SELECT * FROM nowhere")
    failed("duplicate", connection, "INSERT INTO t VALUES (1)")
    failed("bad number", connection, "SELECT %s::int", ["x"])
    failed("two in one", connection, "SELECT %s; SELECT 2", [1])
    said("still there", connection.execute("SELECT 1").fetchone())


def transactions(connection):
    with connection.transaction():
        connection.execute("INSERT INTO t VALUES (100, 'kept')")
        try:
            with connection.transaction():
                connection.execute("INSERT INTO t VALUES (101, 'lost')")
                connection.execute("SELECT 1 / 0")
        except errors.DivisionByZero:
            said("inside", connection.info.transaction_status.name)
    said("kept", connection.execute("SELECT a FROM t WHERE a >= 100").fetchall())
    connection.execute("BEGIN")
    failed("breaks", connection, "SELECT 1 / 0")
    failed("aborted", connection, "SELECT 1")
    said("status in failure", connection.info.transaction_status.name)
    connection.execute("ROLLBACK")
    said("status after", connection.info.transaction_status.name)


def pipelines(connection):
    with connection.pipeline():
        cursors = [connection.execute("SELECT %s::int", [number]) for number in range(50)]
    said("pipeline", [cursor.fetchone()[0] for cursor in cursors])
    try:
        with connection.pipeline() as pipeline:
            first = connection.execute("SELECT 1")
            connection.execute("SELECT 1 / 0")
            connection.execute("SELECT 2")
            pipeline.sync()
    except psycopg.Error as error:
        said("pipeline fails", (error.sqlstate, first.fetchone()))


def copies(connection):
    cursor = connection.cursor()
    with cursor.copy("COPY t FROM STDIN") as copy:
        for number in range(1_000, 6_000):
            copy.write_row((number, f"tab\there {number}" if number % 3 else None))
    said("copied in", (cursor.rowcount, connection.execute("SELECT count(*), md5(string_agg(b, ',' ORDER BY a)) FROM t").fetchone()))
    for form in ("text", "csv", "binary"):
        with cursor.copy(f"COPY (SELECT * FROM t ORDER BY a LIMIT 300) TO STDOUT (FORMAT {form})") as copy:
            content = b"".join(bytes(part) for part in copy)
        said(f"copied out {form}", (len(content), content[-40:]))
    try:
        with cursor.copy("COPY t FROM STDIN") as copy:
            copy.write("not a number\tx\n")
    except psycopg.Error as error:
        said("copy fails", (error.sqlstate, error.diag.message_primary))


def messages(connection):
    with psycopg.connect(URL, autocommit=True) as other:
        connection.execute("LISTEN news")
        other.execute("NOTIFY news, 'hello'")
        said("notified", [(note.channel, note.payload) for note in connection.notifies(timeout=30, stop_after=1)])
    heard = []
    connection.add_notice_handler(lambda notice: heard.append((notice.severity, notice.sqlstate, notice.message_primary)))
    connection.execute("DO $$BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two'; END$$")
    said("notices", heard)
    connection.execute("SET application_name = 'driver'; SET TimeZone = 'Asia/Tokyo'")
    said("settings", [connection.info.parameter_status(name) for name in ("application_name", "TimeZone", "server_version", "client_encoding")])


def cancels(connection):
    process = connection.info.backend_pid
    with psycopg.connect(URL, autocommit=True) as other:
        begun = threading.Event()

        def cancel():
            while not other.execute(
                "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND state = 'active' AND wait_event = 'PgSleep'", [process]
            ).fetchall():
                pass
            begun.set()
            connection.cancel_safe()

        thread = threading.Thread(target=cancel)
        thread.start()
        failed("cancelled", connection, "SELECT pg_sleep(60)")
        thread.join()
        said("begun", begun.is_set())
        said("after", connection.execute("SELECT 1").fetchone())
        said("terminated", other.execute("SELECT pg_terminate_backend(%s)", [process]).fetchone())
        try:
            connection.execute("SELECT 1")
        except psycopg.Error as error:
            said("ended", (type(error).__name__, connection.closed))


with psycopg.connect(URL, autocommit=True) as agent:
    for part in (types, statements, failures, transactions, pipelines, copies, messages, cancels):
        part(agent)
