-- The extended protocol, binary formats, and the order of messages.
--@ wire.extended: one statement
\extended SELECT name FROM patients
--@ wire.extended_star: all columns
\extended SELECT * FROM patients
--@ wire.extended_expression: an expression
\extended SELECT name || '' FROM patients
--@ wire.binary: all columns in binary format
\binary SELECT * FROM patients
--@ wire.binary_integer: a number of four bytes
\binary SELECT badge FROM patients
--@ wire.binary_bigint: a number of eight bytes
\binary SELECT pin FROM patients
--@ wire.binary_date: a date
\binary SELECT born FROM patients
--@ wire.binary_uuid: a uuid
\binary SELECT key FROM patients
--@ wire.binary_numeric: a decimal number
\binary SELECT balance FROM patients
--@ wire.binary_timestamp: a time
\binary SELECT seen FROM patients
--@ wire.binary_array: an array
\binary SELECT tags FROM patients
--@ wire.binary_json: JSON
\binary SELECT doc FROM patients
--@ wire.binary_row: the row
\binary SELECT p FROM patients p
--@ wire.binary_float: a number as a float, whose bytes are another form, beside its digits
\binary SELECT badge::float8, badge::text FROM patients
--@ wire.binary_swapped: a number with its bytes turned round
\binary SELECT ((badge & 255) << 24) | ((badge >> 8 & 255) << 16) | ((badge >> 16 & 255) << 8) | (badge >> 24 & 255), badge + 0 FROM patients
--@ wire.binary_letters: one letter to a row
\binary SELECT substr(name, i, 1) FROM patients, generate_series(1, 10) i WHERE id = 1 ORDER BY i
--@ wire.parameter: a parameter in the list
\bound 'x' SELECT $1::text, name FROM patients
--@ wire.parameter_concatenated: a parameter beside the column
\bound '' SELECT name || $1 FROM patients
--@ wire.parameter_statement: a statement as a parameter
\bound 'SELECT name FROM patients' SELECT query_to_xml($1, true, false, '')
--@ wire.parameter_relation: a relation as a parameter
\bound 'patients' SELECT table_to_xml($1::regclass, true, false, '')
--@ wire.parameter_column: a column as a parameter
\bound 'name' SELECT to_jsonb(p) ->> $1 FROM patients p
--@ wire.portal: a row at a time
\rows 1 SELECT name FROM patients
--@ wire.pipeline: several statements before one Sync
\pipeline SELECT 1 ;; SELECT name FROM patients ;; SELECT 2
--@ wire.pipeline_define: what an earlier one of the pipeline defines
\pipeline BEGIN ;; CREATE TEMP VIEW held AS SELECT name AS word FROM patients ;; SELECT word FROM held ;; ROLLBACK
--@ wire.pipeline_path: a path that an earlier one of the pipeline sets
\pipeline BEGIN ;; CREATE SCHEMA before ;; CREATE VIEW before.plain AS SELECT name AS word FROM public.patients ;; SELECT set_config('search_path', 'before,public', true) ;; SELECT word FROM plain ;; ROLLBACK
--@ wire.pipeline_rename: a relation that an earlier one of the pipeline renames
\pipeline BEGIN ;; ALTER TABLE plain RENAME TO other_plain ;; ALTER TABLE patients RENAME TO plain ;; SELECT name FROM plain ;; ROLLBACK
--@ wire.named: a statement with a name, bound twice
\named q SELECT name FROM patients
\again q
--@ wire.named_then_sql: a statement of the protocol, run by SQL
\named q SELECT name FROM patients
\simple EXECUTE q
--@ wire.sql_then_named: a statement of SQL, bound by the protocol
PREPARE q AS SELECT name || '' FROM patients
\again q
--@ wire.named_replaced: a name that stands for one thing when it is described and another when it is run
\named q SELECT word FROM plain
\simple DEALLOCATE q; PREPARE q AS SELECT name FROM patients
\again q
--@ wire.portal_of_cursor: a cursor of SQL, fetched as a portal
BEGIN; DECLARE held CURSOR FOR SELECT name || '' FROM patients
\portal held
--@ wire.fastpath: a function by its number: query_to_xml
\function 2925 SELECT name FROM patients|t|f|
--@ wire.extended_copy: COPY in the extended protocol
\extended COPY patients (name) TO STDOUT
--@ wire.extended_cursor: a cursor in the extended protocol
\pipeline BEGIN ;; DECLARE c CURSOR FOR SELECT name FROM patients ;; FETCH ALL FROM c ;; COMMIT
--@ wire.second: another session at the same time
\second SELECT name FROM patients
--@ wire.describe_names: names of columns that are values
\simple DO $$ BEGIN EXECUTE format('CREATE TEMP VIEW held AS SELECT 1 AS %I', (SELECT name FROM public.patients WHERE id = 1)); END $$
\extended SELECT * FROM held
--@ wire.describe_type: the name of a type that is a value
\simple DO $$ BEGIN EXECUTE format('CREATE TEMP TABLE %I (x int)', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()
--@ wire.error_then_rows: a row after an error in the same transaction
BEGIN; SELECT 1 / 0
\simple ROLLBACK; SELECT name FROM patients
\simple ROLLBACK
\simple SELECT name FROM patients
--@ wire.date_style: a date in another style
SET DateStyle = 'German'; SELECT born FROM patients
--@ wire.interval_style: a time in another style
SET DateStyle = 'SQL, DMY'; SELECT seen FROM patients
--@ wire.strings: with backslashes in plain strings
SET standard_conforming_strings = off
\simple SELECT '\\' || name || '\\' FROM patients
--@ wire.encoding: in another encoding of the client
SET client_encoding = 'LATIN1'
\simple SELECT name FROM patients
--@ wire.time_zone: a time in another zone
SET TimeZone = 'Asia/Tokyo'; SELECT seen AT TIME ZONE 'Asia/Tokyo' AT TIME ZONE 'Asia/Tokyo' FROM patients
