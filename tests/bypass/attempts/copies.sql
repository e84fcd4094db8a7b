-- COPY, cursors and prepared statements in SQL.
--@ copies.relation: the relation
COPY patients TO STDOUT
--@ copies.columns: columns of it
COPY patients (ssn) TO STDOUT WITH (FORMAT csv)
--@ copies.binary: in binary form
COPY patients TO STDOUT (FORMAT binary)
--@ copies.query: a query
COPY (SELECT name FROM patients) TO STDOUT
--@ copies.query_expression: a query with an expression
COPY (SELECT upper(name) FROM patients) TO STDOUT
--@ copies.query_row: a query with the row
COPY (SELECT p FROM patients p) TO STDOUT
--@ copies.query_binary: a query in binary form
COPY (SELECT name, badge, born FROM patients) TO STDOUT (FORMAT binary)
--@ copies.header: with a header, quotes and another delimiter
COPY patients TO STDOUT (FORMAT csv, HEADER, DELIMITER ';', FORCE_QUOTE *)
--@ copies.returning: a change that gives rows back
BEGIN; COPY (UPDATE patients SET city = 'x' RETURNING name) TO STDOUT
--@ copies.partition: a partition
COPY visits_2024 TO STDOUT
--@ copies.child: a child
COPY family_child TO STDOUT
--@ copies.view: a query over the view
COPY (SELECT * FROM patient_view) TO STDOUT
--@ copies.letters: one letter to a row
COPY (SELECT substr(name, i, 1) FROM patients, generate_series(1, 10) i WHERE id = 1) TO STDOUT
--@ copies.encoding: in another encoding
COPY (SELECT name FROM patients) TO STDOUT (ENCODING 'LATIN1')
--@ copies.delimiter: with a delimiter out of the middle of letters
COPY (SELECT left(name, 3), substr(name, 4) FROM patients) TO STDOUT (DELIMITER '|')
--@ copies.in_error: a row that COPY repeats in its context
CREATE TEMP TABLE mine (x int)
\copy-in x
\simple COPY mine FROM STDIN
\simple SELECT name FROM patients
--@ copies.cursor: a cursor
BEGIN; DECLARE c CURSOR FOR SELECT name FROM patients; FETCH ALL FROM c
--@ copies.cursor_expression: a cursor over an expression
BEGIN; DECLARE c CURSOR FOR SELECT name || '' FROM patients; FETCH 2 FROM c
--@ copies.cursor_scroll: backwards
BEGIN; DECLARE c SCROLL CURSOR FOR SELECT ssn FROM patients; MOVE LAST FROM c; FETCH BACKWARD ALL FROM c; FETCH ABSOLUTE 1 FROM c
--@ copies.cursor_binary: in binary form
BEGIN; DECLARE c BINARY CURSOR FOR SELECT badge, born, key FROM patients; FETCH ALL FROM c
--@ copies.cursor_update: for an update
BEGIN; DECLARE c CURSOR FOR SELECT * FROM patients FOR UPDATE; FETCH 1 FROM c
--@ copies.prepared: a prepared statement
PREPARE q AS SELECT name FROM patients
\simple EXECUTE q
--@ copies.prepared_parameter: with a parameter
PREPARE q (int) AS SELECT ssn FROM patients WHERE id = $1
\simple EXECUTE q (1)
--@ copies.prepared_expression: over an expression
PREPARE q (text) AS SELECT name || $1 FROM patients
\simple EXECUTE q ('')
--@ copies.prepared_path: read under one path, run under another
PREPARE q AS SELECT word FROM plain
\simple BEGIN
\simple CREATE SCHEMA before
\simple CREATE TABLE before.plain AS SELECT id, name AS word FROM public.patients
\simple SET LOCAL search_path = before, public
\simple EXECUTE q
--@ copies.prepared_replaced: a relation that becomes another after the preparing
BEGIN
\simple CREATE TABLE turned (word text)
\simple PREPARE q AS SELECT word FROM turned
\simple DROP TABLE turned
\simple CREATE VIEW turned AS SELECT name AS word FROM patients
\simple EXECUTE q
--@ copies.prepared_explain: a plan of it that ran
PREPARE q AS SELECT pin, generate_series(1, (pin % 1000000)::int) FROM patients WHERE id = 1; EXPLAIN (ANALYZE, COSTS off, TIMING off) EXECUTE q; SELECT pin FROM patients
