-- What PostgreSQL 16 to 18 added, as ways to a value.
--@ eighteen.returning_old: the old row of a change
BEGIN
\simple UPDATE patients SET city = city RETURNING old.name, new.ssn
\simple ROLLBACK
--@ eighteen.returning_with: by another name
BEGIN
\simple UPDATE patients SET city = city RETURNING WITH (OLD AS o, NEW AS n) o.ssn, n.name
\simple ROLLBACK
--@ eighteen.returning_row: as a whole row
BEGIN
\simple UPDATE patients SET city = city RETURNING old
\simple ROLLBACK
--@ eighteen.returning_star: by a star
BEGIN
\simple DELETE FROM visits RETURNING old.*
\simple ROLLBACK
--@ eighteen.upsert_old: the row that was in the way
BEGIN
\simple INSERT INTO patients (id, name, ssn, born, city) VALUES (1, 'x', '000-00-0000', '2000-01-01', 'x') ON CONFLICT (id) DO UPDATE SET city = 'y' RETURNING old.name, old.ssn
\simple ROLLBACK
--@ eighteen.returning_view: through a view
BEGIN
\simple UPDATE patient_view SET city = city RETURNING old.who
\simple ROLLBACK
--@ eighteen.merge_returning: a MERGE that gives back what it read
BEGIN
\simple MERGE INTO plain USING patients p ON plain.id = p.id WHEN MATCHED THEN UPDATE SET word = 'x' RETURNING merge_action(), p.name
\simple ROLLBACK
--@ eighteen.merge_target: a MERGE that gives back what it changed
BEGIN
\simple MERGE INTO patients USING plain q ON q.id = patients.id WHEN MATCHED THEN UPDATE SET city = 'x' RETURNING patients.name, old.ssn
\simple ROLLBACK
--@ eighteen.merge_view: a MERGE through a view
BEGIN
\simple MERGE INTO patient_view v USING plain q ON q.id = v.id WHEN MATCHED THEN UPDATE SET city = v.who RETURNING v.city
\simple ROLLBACK
--@ eighteen.merge_source: a MERGE of what its target has not
BEGIN
\simple MERGE INTO patients p USING (SELECT 99 AS id) q ON q.id = p.id WHEN NOT MATCHED BY SOURCE THEN UPDATE SET city = name RETURNING p.city
\simple ROLLBACK
--@ eighteen.virtual: a generated column that is computed when it is read
BEGIN
\simple ALTER TABLE patients ADD COLUMN seen_name text GENERATED ALWAYS AS (upper(name)) VIRTUAL
\simple SELECT seen_name FROM patients
\simple ROLLBACK
--@ eighteen.json_table: a document as a table
SELECT t.* FROM patients p, JSON_TABLE(p.doc, '$' COLUMNS (n text PATH '$.kin.name')) t
--@ eighteen.json_value: a value of a document
SELECT JSON_VALUE(doc, '$.kin.name') FROM patients
--@ eighteen.json_query: a part of a document
SELECT JSON_QUERY(doc, '$.kin') FROM patients
--@ eighteen.json_passing: a value that is passed to a path
SELECT JSON_VALUE(jsonb '1', '$x' PASSING name AS x) FROM patients
--@ eighteen.json_error: a value that is no number
SELECT JSON_VALUE(to_jsonb(name), '$' RETURNING integer ERROR ON ERROR) FROM patients
--@ eighteen.json_scalar: a value as a document
SELECT JSON_SCALAR(name), JSON_SERIALIZE(JSON_SCALAR(ssn)) FROM patients
--@ eighteen.json_arrayagg: values as one document
SELECT JSON_ARRAYAGG(name) FROM patients
--@ eighteen.json_objectagg: keys of one document
SELECT JSON_OBJECTAGG(name VALUE id) FROM patients
--@ eighteen.casefold: in folded letters
SELECT casefold(name) FROM patients
--@ eighteen.any_value: any value
SELECT any_value(name) FROM patients
--@ eighteen.array_sort: an array in order
SELECT array_sort(tags), array_reverse(tags), array_shuffle(tags) FROM patients
--@ eighteen.reverse_bytes: bytes backwards
SELECT reverse(ssn::bytea) FROM patients
--@ eighteen.number_bytes: a number as bytes
SELECT pin::bytea FROM patients
--@ eighteen.xmltext: a text as XML
SELECT xmltext(name) FROM patients
--@ eighteen.to_hex: numbers in other digits
SELECT to_oct(ascii(substr(name, i, 1))) FROM patients, generate_series(1, 10) i WHERE id = 1 ORDER BY i
--@ eighteen.unicode: a text whose signs are named
SELECT unicode_assigned(name), normalize(name) FROM patients
--@ eighteen.soft_error: what is wrong with a value
SELECT pg_input_error_info(name, 'integer') FROM patients
--@ eighteen.range_error: a row that a key of time refuses
BEGIN
\simple CREATE EXTENSION btree_gist
\simple CREATE TEMP TABLE spans (who text, span daterange, PRIMARY KEY (who, span WITHOUT OVERLAPS))
\simple INSERT INTO spans SELECT name, daterange('2024-01-01', '2025-01-01') FROM patients, generate_series(1, 2)
\simple ROLLBACK
--@ eighteen.plan: a plan with everything that there is to say
EXPLAIN (ANALYZE, VERBOSE, SERIALIZE TEXT, MEMORY, WAL, SETTINGS, FORMAT JSON) SELECT name FROM patients
\simple SELECT name FROM patients
--@ eighteen.copy_reject: rows that a COPY leaves out, and says so
BEGIN
\simple CREATE TEMP TABLE taken (n integer)
\copy-in x
\simple COPY taken FROM STDIN WITH (ON_ERROR ignore, LOG_VERBOSITY verbose)
\simple SELECT name FROM patients
\simple ROLLBACK
--@ eighteen.statistics: statistics of a relation as a row
SELECT s FROM pg_stats s WHERE tablename = 'patients'
--@ eighteen.write_old: a masked column before it is written
BEGIN; UPDATE patients SET name = 'x' RETURNING old.name
--@ eighteen.write_old_star: all columns before and after
BEGIN; UPDATE patients SET name = 'x' RETURNING old.*, new.*
--@ eighteen.write_old_row: the row before as a value
BEGIN; UPDATE patients SET name = 'x' RETURNING old, to_json(old)
--@ eighteen.write_merge: a merge that writes a masked column and gives back another one
BEGIN; MERGE INTO patients p USING plain q ON p.id = q.id WHEN MATCHED THEN UPDATE SET email = q.word RETURNING p.ssn, merge_action()
--@ eighteen.write_merge_star: all that it changes
BEGIN; MERGE INTO patients p USING plain q ON p.id = q.id WHEN MATCHED THEN UPDATE SET email = q.word RETURNING p.*, old.*
--@ eighteen.write_merge_old: a masked column by its value before
BEGIN; MERGE INTO patients p USING plain q ON p.id = q.id WHEN MATCHED THEN UPDATE SET email = p.name RETURNING p.email
