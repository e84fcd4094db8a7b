Ways by which an identifier is released that no mask names. The second word of an attempt is the channel that it is caught on.

--@ net.cell.text: the texts
SELECT body FROM notes ORDER BY id

--@ net.cell.extended: the extended protocol
\extended SELECT body, short FROM notes ORDER BY id

--@ net.cell.types: every type in text form
SELECT * FROM notes WHERE id = 1

--@ net.cell.binary: every type in binary form
\binary SELECT id, body, short, word, tags, doc, docb, raw, digits, paid, contact, remark, ROW(body, digits), ARRAY[digits] FROM notes WHERE id < 3 ORDER BY id

--@ net.cell.float: a number as a float, in binary form
\binary SELECT measured FROM notes WHERE id = 1

--@ net.cell.money: an amount of money
SELECT fee FROM notes WHERE id = 1

--@ net.cell.money_binary: the same in binary form
\binary SELECT fee FROM notes WHERE id = 1

--@ net.cell.exponent: a number with an exponent, in a text and in a document
SELECT 'paid ' || measured, to_jsonb(measured), row_to_json(n) FROM notes n WHERE id = 1

--@ net.cell.bound: a parameter chooses
\bound '1' SELECT body FROM notes WHERE id = $1::integer

--@ net.cell.parts: a row to an Execute
\rows 1 SELECT body FROM notes ORDER BY id DESC

--@ net.cell.pipeline: several statements before one Sync
\pipeline SELECT short FROM notes ORDER BY id ;; SELECT body FROM notes ORDER BY id

--@ net.cell.named: a prepared statement, twice
\named q SELECT body FROM notes WHERE id = 1
\again q

--@ net.cell.several: several statements in one message
SELECT 1; SELECT word FROM notes WHERE id = 1; SELECT 2

--@ net.cell.cursor: a cursor
\simple BEGIN
\simple DECLARE c CURSOR FOR SELECT body FROM notes ORDER BY id DESC
\simple FETCH ALL FROM c

--@ net.cell.prepared: a statement that SQL prepares
\simple PREPARE p AS SELECT body FROM notes WHERE id = $1
\simple EXECUTE p (1)

--@ net.cell.json: documents
SELECT doc, docb, row_to_json(n), json_agg(n.body) OVER () FROM notes n ORDER BY id

--@ net.cell.array: all in one array
SELECT array_agg(body) FROM notes

--@ net.cell.row: a whole row
SELECT n FROM notes n WHERE id = 1

--@ net.cell.bytes: bytes as escapes
\simple SET bytea_output = escape
\simple SELECT raw FROM notes WHERE id = 1

--@ net.cell.hex: hexadecimal digits
SELECT encode(convert_to(body, 'UTF8'), 'hex') FROM notes WHERE id = 1

--@ net.cell.base64: base64
SELECT encode(convert_to(body, 'UTF8'), 'base64') FROM notes WHERE id = 1

--@ net.cell.upper: another case
SELECT upper(body), lower(short) FROM notes WHERE id < 3

--@ net.cell.inside: inside of a longer text
SELECT repeat('calm ', 30000) || body || repeat(' calm', 30000) FROM notes WHERE id = 1

--@ net.cell.latin: in another encoding
\simple SET client_encoding = latin1
\simple SELECT chr(252) || ' ' || body FROM notes WHERE id = 1

--@ net.cell.returning: rows that a change gives back
INSERT INTO keyed SELECT body || ' again' FROM notes RETURNING line

--@ net.cell.explained: a plan with a literal of a view
EXPLAIN SELECT * FROM chosen

--@ net.cell.defined: the definition of a view
SELECT definition FROM pg_views WHERE viewname = 'chosen'

--@ net.cell.comment: a comment
SELECT obj_description('keyed'::regclass)

--@ net.cell.statistics: the planner's statistics
SELECT attname, histogram_bounds, most_common_vals FROM pg_stats WHERE tablename = 'notes'

--@ net.cell.copy: COPY of a relation, as text
COPY notes TO STDOUT

--@ net.cell.copy_csv: as CSV with a header
COPY (SELECT body, tags, docb FROM notes) TO STDOUT (FORMAT csv, HEADER)

--@ net.cell.copy_binary: in the binary format
COPY (SELECT body, digits, paid, docb, raw FROM notes) TO STDOUT (FORMAT binary)

--@ net.error.cast: a value that is no number
SELECT body::integer FROM notes WHERE id = 1

--@ net.error.unique: a key that exists
INSERT INTO keyed SELECT body FROM notes WHERE id = 1

--@ net.error.json: a value that is no document
SELECT ('{"a": "' || word || '" calm}')::json FROM notes WHERE id = 1

--@ net.error.raised: message, detail and hint of a block's own
DO $$BEGIN RAISE EXCEPTION '%', (SELECT body FROM notes WHERE id = 1) USING DETAIL = (SELECT short FROM notes WHERE id = 1), HINT = (SELECT body FROM notes WHERE id = 2); END$$

--@ net.error.statement: the statement that a block has made
DO $$BEGIN EXECUTE 'SELECT ''' || (SELECT word FROM notes WHERE id = 1) || ''' + nonsense'; END$$

--@ net.column.error: the name of a column in an error
DO $$BEGIN RAISE EXCEPTION 'no' USING COLUMN = (SELECT word FROM notes WHERE id = 1), TABLE = (SELECT word FROM notes WHERE id = 1); END$$

--@ net.notice.raised: a notice
DO $$BEGIN RAISE NOTICE '%', (SELECT body FROM notes WHERE id = 1) USING HINT = (SELECT short FROM notes WHERE id = 1); END$$

--@ net.notice.debug: what the server tells at a low level
\simple SET client_min_messages = log
\simple DO $$BEGIN RAISE LOG 'found %', (SELECT body FROM notes WHERE id = 1); END$$

--@ net.notification.own: a payload to itself
\simple LISTEN news
\simple SELECT count(pg_notify('news', body)) FROM notes WHERE id = 1
\simple SELECT 1

--@ net.notification.other: a payload of another session
\simple LISTEN news
\second SELECT count(pg_notify('news', short)) FROM notes WHERE id = 1
\simple SELECT 1

--@ net.column.made: the name of a column that a cursor was opened with
\simple BEGIN
\simple SELECT opened()
\simple FETCH ALL FROM made

--@ net.setting.name: a setting that the server reports
SELECT length(set_config('application_name', word, false)) FROM notes WHERE id = 1
