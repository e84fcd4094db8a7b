import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.Arrays;
import java.util.Properties;
import java.util.StringJoiner;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;

/** What PostgreSQL's JDBC driver does with a server, one line to each thing: its name and what came of it. */
public final class Jdbc {
    private static Connection connect(String url, String... more) throws SQLException {
        URI parts = URI.create(url);
        Properties properties = new Properties();
        String[] user = parts.getUserInfo().split(":");
        properties.setProperty("user", user[0]);
        properties.setProperty("password", user[1]);
        for (String option : parts.getQuery().split("&")) {
            properties.setProperty(option.split("=")[0], option.split("=")[1]);
        }
        for (int place = 0; place < more.length; place += 2) {
            properties.setProperty(more[place], more[place + 1]);
        }
        return DriverManager.getConnection("jdbc:postgresql://" + parts.getHost() + ":" + parts.getPort() + parts.getPath(), properties);
    }

    private static void said(String name, Object value) {
        System.out.println(name + " = " + String.valueOf(value).replace("\n", "\\n"));
    }

    private static String rows(ResultSet found) throws SQLException {
        StringJoiner rows = new StringJoiner(" | ");
        ResultSetMetaData columns = found.getMetaData();
        while (found.next()) {
            StringJoiner row = new StringJoiner(",");
            for (int column = 1; column <= columns.getColumnCount(); column++) {
                row.add(columns.getColumnLabel(column) + ":" + found.getString(column));
            }
            rows.add(row.toString());
        }
        return rows.toString();
    }

    interface Work {
        Object run() throws Exception;
    }

    private static void attempt(String name, Work work) {
        try {
            said(name, work.run());
        } catch (SQLException error) {
            said(name, error.getSQLState() + " " + error.getMessage());
        } catch (Exception error) {
            said(name, error);
        }
    }

    public static void main(String[] arguments) throws Exception {
        String url = arguments[0];
        for (String mode : new String[] {"simple", "extended", "extendedForPrepared", "extendedCacheEverything"}) {
            try (Connection connection = connect(url, "preferQueryMode", mode, "prepareThreshold", "3", "assumeMinServerVersion", "9.0")) {
                said("mode", mode);
                values(connection);
                statements(connection);
                failures(connection);
                transactions(connection);
            }
        }
        try (Connection connection = connect(url)) {
            batches(connection);
            copies(connection);
            definitions(connection);
            messages(connection, url);
            cancels(connection);
            large(connection);
        }
        try (Connection connection = connect(url, "autosave", "always")) {
            connection.setAutoCommit(false);
            attempt("saved", () -> connection.createStatement().execute("SELECT 1 / 0"));
            attempt("goes on", () -> rows(connection.createStatement().executeQuery("SELECT 1")));
            connection.commit();
        }
    }

    private static void values(Connection connection) throws Exception {
        String[] kinds = {"int2", "int4", "int8", "float4", "float8", "numeric(20,5)", "bool", "text", "date", "time", "timestamptz", "uuid", "jsonb", "inet", "interval", "int4[]", "text[]", "point", "int4range"};
        String[] texts = {"1", "-2", "9007199254740993", "1.5", "0.1", "12345.67890", "true", "Zoë '\\", "2024-02-29", "01:02:03", "2024-01-01 00:00:00+00", "00000000-0000-0000-0000-000000000007", "{\"a\": 1}", "10.0.0.1", "1 day", "{1,NULL}", "{a,\"b,c\"}", "(1,2)", "[1,5)"};
        for (int place = 0; place < kinds.length; place++) {
            String kind = kinds[place];
            String text = texts[place];
            attempt(kind, () -> {
                StringBuilder all = new StringBuilder();
                try (PreparedStatement statement = connection.prepareStatement("SELECT ?::text::" + kind + " AS v, NULL::" + kind)) {
                    for (int time = 0; time < 5; time++) {
                        statement.setString(1, text);
                        all.append(rows(statement.executeQuery())).append(' ');
                    }
                }
                return all;
            });
        }
        Array array = connection.createArrayOf("int4", new Integer[] {1, 2, 3});
        try (PreparedStatement statement = connection.prepareStatement("SELECT ? AS a, ?::bytea AS b")) {
            statement.setArray(1, array);
            statement.setBytes(2, new byte[] {0, -1});
            attempt("array", () -> rows(statement.executeQuery()));
        }
    }

    private static void statements(Connection connection) throws Exception {
        Statement plain = connection.createStatement();
        plain.execute("CREATE TEMP TABLE t (a serial PRIMARY KEY, b text)");
        attempt("keys", () -> {
            PreparedStatement insert = connection.prepareStatement("INSERT INTO t (b) VALUES (?)", Statement.RETURN_GENERATED_KEYS);
            insert.setString(1, "x");
            return insert.executeUpdate() + rows(insert.getGeneratedKeys());
        });
        attempt("many", () -> plain.executeUpdate("INSERT INTO t (b) SELECT n::text FROM generate_series(1, 1000) n"));
        attempt("several", () -> {
            plain.execute("SELECT 1 AS a; UPDATE t SET b = 'y' WHERE a < 4; SELECT 2 AS b");
            StringJoiner all = new StringJoiner(" / ");
            do {
                all.add(plain.getUpdateCount() < 0 ? rows(plain.getResultSet()) : "" + plain.getUpdateCount());
            } while (plain.getMoreResults() || plain.getUpdateCount() >= 0);
            return all;
        });
        connection.setAutoCommit(false);
        attempt("in parts", () -> {
            PreparedStatement read = connection.prepareStatement("SELECT a FROM t ORDER BY a");
            read.setFetchSize(7);
            ResultSet found = read.executeQuery();
            long sum = 0;
            for (int row = 0; row < 500 && found.next(); row++) {
                sum += found.getInt(1);
            }
            found.close();
            return sum;
        });
        connection.commit();
        connection.setAutoCommit(true);
        plain.setMaxRows(3);
        attempt("at the most", () -> rows(plain.executeQuery("SELECT a FROM t ORDER BY a")));
    }

    private static void failures(Connection connection) throws Exception {
        Statement plain = connection.createStatement();
        for (String sql : new String[] {"SELECT 1 / 0", "SELECT FROM WHERE", "SELECT * FROM nowhere", "INSERT INTO t VALUES (1)", "SELECT 'x'::int", "SELECT 1; SELECT 1 / 0; SELECT 2"}) {
            attempt(sql, () -> plain.execute(sql));
        }
        attempt("bad parameter", () -> {
            PreparedStatement statement = connection.prepareStatement("SELECT ?::int");
            statement.setString(1, "x");
            return rows(statement.executeQuery());
        });
        attempt("still there", () -> rows(plain.executeQuery("SELECT 1")));
    }

    private static void transactions(Connection connection) throws Exception {
        connection.setAutoCommit(false);
        connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        Statement plain = connection.createStatement();
        plain.executeUpdate("INSERT INTO t VALUES (5000)");
        Savepoint place = connection.setSavepoint("place");
        attempt("breaks", () -> plain.execute("SELECT 1 / 0"));
        attempt("aborted", () -> plain.execute("SELECT 1"));
        connection.rollback(place);
        connection.commit();
        attempt("kept", () -> rows(plain.executeQuery("SELECT a FROM t WHERE a >= 5000")));
        connection.rollback();
        connection.setReadOnly(true);
        attempt("read only", () -> plain.executeUpdate("CREATE TABLE never (a int)"));
        connection.rollback();
        connection.setReadOnly(false);
        connection.setAutoCommit(true);
    }

    private static void batches(Connection connection) throws Exception {
        connection.createStatement().execute("CREATE TEMP TABLE t (a int PRIMARY KEY, b text)");
        PreparedStatement insert = connection.prepareStatement("INSERT INTO t VALUES (?, ?)");
        for (int number = 0; number < 2000; number++) {
            insert.setInt(1, number);
            insert.setString(2, "row " + number);
            insert.addBatch();
        }
        said("batch", Arrays.stream(insert.executeBatch()).sum());
        for (int number = 3000; number > 1990; number--) {
            insert.setInt(1, number);
            insert.setString(2, "row");
            insert.addBatch();
        }
        attempt("batch fails", () -> {
            try {
                return insert.executeBatch().length;
            } catch (BatchUpdateException error) {
                return error.getSQLState() + " " + error.getUpdateCounts().length;
            }
        });
        attempt("what is there", () -> rows(connection.createStatement().executeQuery("SELECT count(*), sum(a) FROM t")));
    }

    private static void copies(Connection connection) throws Exception {
        CopyManager manager = connection.unwrap(PGConnection.class).getCopyAPI();
        String lines = "5001\tx\n5002\t\\N\n".repeat(1);
        said("copied in", manager.copyIn("COPY t FROM STDIN", new ByteArrayInputStream(lines.getBytes())));
        for (String form : new String[] {"text", "csv", "binary"}) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            said("copied out " + form, manager.copyOut("COPY (SELECT * FROM t ORDER BY a) TO STDOUT (FORMAT " + form + ")", out) + " " + Arrays.hashCode(out.toByteArray()));
        }
        attempt("copy fails", () -> manager.copyIn("COPY t FROM STDIN", new ByteArrayInputStream("x\ty\n".getBytes())));
    }

    private static void definitions(Connection connection) throws Exception {
        var about = connection.getMetaData();
        said("product", about.getDatabaseProductVersion());
        attempt("tables", () -> rows(about.getTables(null, "public", "%", null)));
        attempt("columns", () -> rows(about.getColumns(null, "public", "encounters", "%")));
        attempt("keys", () -> rows(about.getPrimaryKeys(null, "public", "encounters")));
        attempt("imported", () -> rows(about.getImportedKeys(null, "public", "encounters")));
        attempt("indexes", () -> rows(about.getIndexInfo(null, "public", "encounters", false, true)).replaceAll("PAGES:[0-9]+|CARDINALITY:[0-9]+", ""));
        attempt("types", () -> rows(about.getTypeInfo()).hashCode());
        attempt("functions", () -> rows(about.getFunctions(null, "pg_catalog", "array_%")).hashCode());
        attempt("schemas", () -> rows(about.getSchemas(null, "p%c%")));
        attempt("privileges", () -> rows(about.getTablePrivileges(null, "public", "encounters")));
    }

    private static void messages(Connection connection, String url) throws Exception {
        Statement plain = connection.createStatement();
        plain.execute("LISTEN news");
        try (Connection other = connect(url)) {
            other.createStatement().execute("NOTIFY news, 'hello'");
        }
        PGNotification[] notes = connection.unwrap(PGConnection.class).getNotifications(30_000);
        said("notified", notes.length + notes[0].getName() + notes[0].getParameter());
        plain.execute("DO $$BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two'; END$$");
        said("warnings", plain.getWarnings() + " " + plain.getWarnings().getNextWarning());
    }

    private static void cancels(Connection connection) throws Exception {
        Statement plain = connection.createStatement();
        plain.setQueryTimeout(1);
        attempt("out of time", () -> plain.execute("SELECT pg_sleep(60)"));
        attempt("after", () -> rows(plain.executeQuery("SELECT 1")));
    }

    private static void large(Connection connection) throws Exception {
        connection.setAutoCommit(false);
        attempt("large object", () -> {
            var manager = connection.unwrap(PGConnection.class).getLargeObjectAPI();
            var large = manager.open(manager.createLO());
            large.write(new byte[] {1, 2, 3});
            large.seek(0);
            return Arrays.toString(large.read(3));
        });
        connection.rollback();
        connection.setAutoCommit(true);
    }
}
