"""psycopg with libpq 18 through the proxy: both ways into TLS, protocol 3.0 and 3.2, cancelling, pipelines, settings.

    python libpq18.py PORT CERTIFICATE DIRECT

PORT is the proxy's, on localhost; CERTIFICATE a PEM file that it is known by; DIRECT a connection string of the server,
which is asked only whether a statement has begun. Ends with a traceback at the first thing that is not as it must be.
"""

import datetime
import sys
import threading

import psycopg

PORT, CERTIFICATE, DIRECT = sys.argv[1:]
PATIENTS = [
    (1, "Ann", "***-**-6789", datetime.date(1970, 1, 1)),
    (2, "Bob", None, datetime.date(1981, 1, 1)),
]


def connect(**parameters):
    common = {
        "host": "localhost",
        "hostaddr": "127.0.0.1",
        "port": PORT,
        "user": "ci",
        "password": "exk_0000000000000001_test",
        "dbname": "postgres",
        "sslmode": "verify-full",
        "sslrootcert": CERTIFICATE,
    }
    return psycopg.connect(**(common | parameters), autocommit=True)


def refused(words, **parameters):
    try:
        connect(**parameters)
    except psycopg.OperationalError as error:
        assert words in str(error), error
    else:
        raise AssertionError(f"let in: {parameters}")


def read(connection):
    query = "SELECT id, name, ssn, born FROM patients WHERE id >= %s ORDER BY id"
    rows = connection.execute(query, [1]).fetchall()
    assert rows == PATIENTS, rows
    rows = connection.cursor(binary=True).execute(query, [1]).fetchall()
    assert rows == PATIENTS, rows
    for _ in range(10):
        assert connection.execute(query, [2], prepare=True).fetchall() == PATIENTS[1:]
    with connection.pipeline():
        cursors = [connection.execute("SELECT %s::int", [number]) for number in range(5)]
        assert [cursor.fetchone()[0] for cursor in cursors] == list(range(5))


def cancel(connection):
    """Cancels once the server says that the statement has begun."""
    process = connection.info.backend_pid
    assert process == connection.execute("SELECT pg_backend_pid()").fetchone()[0]

    def when_it_sleeps():
        with psycopg.connect(DIRECT, autocommit=True) as direct:
            query = "SELECT wait_event FROM pg_stat_activity WHERE pid = %s"
            while direct.execute(query, [process]).fetchone() != ("PgSleep",):
                pass
        connection.cancel_safe(timeout=30)

    canceller = threading.Thread(target=when_it_sleeps, daemon=True)
    canceller.start()
    try:
        connection.execute("SELECT pg_sleep(600)")
    except psycopg.errors.QueryCanceled:
        pass
    else:
        raise AssertionError("it was not cancelled")
    canceller.join()
    assert connection.execute("SELECT 1").fetchone() == (1,)


VERSIONS = [
    ({"min_protocol_version": "3.2", "max_protocol_version": "3.2"}, 30002),
    ({"max_protocol_version": "latest"}, 30002),
    ({"max_protocol_version": "3.0"}, 30000),
    ({}, 30000),
]
for negotiation in ["direct", "postgres"]:
    for parameters, version in VERSIONS:
        with connect(sslnegotiation=negotiation, **parameters) as connection:
            assert connection.info.full_protocol_version == version, connection.info.full_protocol_version
            read(connection)
            cancel(connection)

for binding in ["prefer", "disable"]:
    connect(channel_binding=binding).close()
# The key is sent in clear inside TLS, as `password` in pg_hba.conf has it; libpq finds that nothing was bound.
refused("channel binding", channel_binding="require")
connect(require_auth="password").close()
refused("expired", password="exk_other")

with connect(options="-c statement_timeout=54321ms -c search_path=staging", application_name="smoke") as connection:
    assert connection.execute("SHOW statement_timeout").fetchone() == ("54321ms",)
    assert connection.execute("SHOW search_path").fetchone() == ("staging",)
    assert connection.execute("SELECT count(*) FROM audit").fetchone() == (0,)
    assert connection.info.parameter_status("application_name") == "smoke"
    assert connection.info.parameter_status("client_encoding") == "UTF8"

with connect() as connection:
    try:
        connection.execute("SELECT * FROM audit")
    except psycopg.errors.InsufficientPrivilege as error:
        assert "no-audit" in str(error), error
    else:
        raise AssertionError("the audit table was read")

print("as through the server")
