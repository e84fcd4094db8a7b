-- Places of the agent's own that the value is put in, and copies.
--@ places.table: a table of its own
BEGIN
\simple CREATE TABLE mine AS SELECT * FROM patients
\simple SELECT * FROM mine
--@ places.temp_table: a temporary table
CREATE TEMP TABLE mine AS SELECT name, ssn FROM patients
\simple SELECT * FROM mine
--@ places.select_into: SELECT INTO
SELECT name INTO TEMP mine FROM patients; TABLE mine
--@ places.insert: an insert into an open column
BEGIN; INSERT INTO plain SELECT id, name FROM patients; SELECT word FROM plain
--@ places.insert_returning: an insert that gives back
BEGIN; INSERT INTO plain SELECT id, ssn FROM patients RETURNING word
--@ places.update: an update of an open column of the same row
BEGIN; UPDATE patients SET city = name; SELECT city FROM patients
--@ places.update_from: an update from the masked relation
BEGIN; UPDATE plain SET word = p.name FROM patients p WHERE p.id = plain.id; SELECT word FROM plain
--@ places.update_row: an update of several columns from a subquery
BEGIN; UPDATE plain SET (id, word) = (SELECT id, ssn FROM patients WHERE id = 1); SELECT word FROM plain
--@ places.merge: a merge
BEGIN; MERGE INTO plain p USING patients q ON p.id = q.id WHEN MATCHED THEN UPDATE SET word = q.name; TABLE plain
--@ places.on_conflict: the row in the way of an insert
BEGIN
\simple INSERT INTO patients (id, name, ssn, born, city) VALUES (1, 'n', '000-00-0000', now(), 'x') ON CONFLICT (id) DO UPDATE SET city = patients.name RETURNING city
--@ places.view: a temporary view
CREATE TEMP VIEW mine AS SELECT ssn AS x FROM patients
\simple SELECT x FROM mine
--@ places.view_lasting: a view that lasts, in another session
CREATE VIEW lasting_view AS SELECT name AS word, id FROM patients
\second SELECT word FROM lasting_view
\simple DROP VIEW lasting_view
--@ places.table_lasting: a table that lasts, in another session
CREATE TABLE lasting_table AS SELECT name AS word, id FROM patients
\second SELECT word FROM lasting_table
\simple DROP TABLE lasting_table
--@ places.materialized: a materialized view
BEGIN
\simple CREATE MATERIALIZED VIEW mine AS SELECT name FROM patients
\simple SELECT * FROM mine
--@ places.rule: a rule that copies
BEGIN
\simple CREATE TABLE mine (x text)
\simple CREATE TABLE poked (x int)
\simple CREATE RULE copy AS ON INSERT TO poked DO ALSO INSERT INTO mine SELECT name FROM patients
\simple INSERT INTO poked VALUES (1)
\simple SELECT x FROM mine
--@ places.rule_select: a rule that answers in the place of another statement
BEGIN
\simple CREATE TABLE poked (x int)
\simple CREATE RULE answer AS ON UPDATE TO poked DO INSTEAD SELECT name FROM patients
\simple UPDATE poked SET x = 1
--@ places.trigger: a trigger of the agent's own on the masked relation
BEGIN
\simple CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.plain VALUES (OLD.id, OLD.name); RETURN NEW; END'
\simple CREATE TRIGGER mine BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION mine()
\simple UPDATE patients SET city = 'x'
\simple SELECT word FROM plain
--@ places.transition: the transition table of a trigger
BEGIN
\simple CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.plain SELECT id, name FROM before; RETURN NULL; END'
\simple CREATE TRIGGER mine AFTER UPDATE ON patients REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION mine()
\simple UPDATE patients SET city = 'x'
\simple SELECT word FROM plain
--@ places.generated: a generated column
BEGIN
\simple ALTER TABLE patients ADD COLUMN copied text GENERATED ALWAYS AS (upper(name)) STORED
\simple SELECT copied FROM patients
--@ places.alter_type: a change of a column's type that reads another column
BEGIN
\simple ALTER TABLE family ADD COLUMN open text
\simple ALTER TABLE family ALTER COLUMN open TYPE text USING secret
\simple SELECT open FROM family
--@ places.default: a default that reads
BEGIN
\simple CREATE FUNCTION mine() RETURNS text LANGUAGE sql AS 'SELECT name FROM public.patients WHERE id = 1'
\simple CREATE TABLE held (id int, x text DEFAULT mine())
\simple INSERT INTO held VALUES (1)
\simple SELECT x FROM held
--@ places.add_column: a new column with a default that reads
BEGIN
\simple CREATE FUNCTION mine() RETURNS text LANGUAGE sql AS 'SELECT name FROM public.patients WHERE id = 1'
\simple ALTER TABLE plain ADD COLUMN x text DEFAULT mine()
\simple SELECT x FROM plain
--@ places.check: a check of the agent's own that prints
BEGIN
\simple CREATE FUNCTION mine(text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'
\simple ALTER TABLE patients ADD CHECK (mine(name))
--@ places.index: an index whose function prints
BEGIN
\simple CREATE FUNCTION mine(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN $1; END'
\simple CREATE INDEX ON patients (mine(name))
--@ places.policy: a policy of row security whose function prints
BEGIN
\simple CREATE FUNCTION mine(text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'
\simple CREATE POLICY p ON patients USING (mine(name))
\simple ALTER TABLE patients ENABLE ROW LEVEL SECURITY
\simple SET LOCAL ROLE clerk
\simple SELECT name FROM patients
--@ places.inherit: a child of the agent's own, and its parent
BEGIN
\simple CREATE TABLE heir () INHERITS (patients)
\simple INSERT INTO heir SELECT * FROM patients
\simple SELECT name FROM heir
--@ places.parent: a parent of the agent's own
BEGIN
\simple CREATE TABLE above (name text)
\simple ALTER TABLE above ALTER name SET NOT NULL
\simple ALTER TABLE patients INHERIT above
\simple SELECT name FROM above
--@ places.attach: the masked relation as a partition of the agent's own
BEGIN
\simple CREATE TABLE whole (LIKE family) PARTITION BY RANGE (id)
\simple ALTER TABLE family_child NO INHERIT family
\simple ALTER TABLE family_child DROP COLUMN more
\simple ALTER TABLE whole ATTACH PARTITION family_child FOR VALUES FROM (0) TO (100)
\simple SELECT secret FROM whole
--@ places.detach: the partition on its own
BEGIN
\simple ALTER TABLE visits DETACH PARTITION visits_2024
\simple SELECT note FROM visits_2024
--@ places.like: a table like the masked one
BEGIN
\simple CREATE TABLE mine (LIKE patients)
\simple INSERT INTO mine SELECT * FROM patients
\simple SELECT name, ssn FROM mine
--@ places.of_type: a table of the row's type
BEGIN
\simple CREATE TABLE mine (p patients)
\simple INSERT INTO mine SELECT p FROM patients p
\simple SELECT (p).name FROM mine
--@ places.array_of_type: an array of the row's type
BEGIN
\simple CREATE TABLE mine (p patients[])
\simple INSERT INTO mine SELECT array_agg(p) FROM patients p
\simple SELECT p[1].name FROM mine
--@ places.large_object: a large object
SELECT lo_from_bytea(47110, (SELECT name::bytea FROM patients WHERE id = 1))
\simple SELECT encode(lo_get(47110), 'escape')
\simple SELECT lo_unlink(47110)
--@ places.large_object_parts: parts of a large object
BEGIN; SELECT lo_create(47111); SELECT lo_put(47111, 0, name::bytea) FROM patients WHERE id = 1; SELECT loread(lo_open(47111, 262144), 5), lo_get(47111, 5, 5)
--@ places.large_object_page: the relation of large objects
BEGIN; SELECT lo_from_bytea(47112, (SELECT ssn::bytea FROM patients WHERE id = 1)); SELECT data FROM pg_largeobject WHERE loid = 47112
--@ places.statistics: what ANALYZE learned of a copy
CREATE TABLE lasting_statistics AS SELECT name FROM patients, generate_series(1, 100)
\simple ANALYZE lasting_statistics
\simple SELECT most_common_vals FROM pg_stats WHERE tablename = 'lasting_statistics'
\simple DROP TABLE lasting_statistics
--@ places.copy_out_in: out and in again
CREATE TEMP TABLE mine (x text)
\simple COPY (SELECT name FROM patients) TO STDOUT
--@ places.with_hold: a cursor that holds its rows
BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT name FROM patients; COMMIT; FETCH ALL FROM c
--@ places.unlogged: an unlogged table
BEGIN
\simple CREATE UNLOGGED TABLE mine AS TABLE patients
\simple SELECT ssn FROM mine
--@ places.on_commit: a temporary table that is emptied
BEGIN
\simple CREATE TEMP TABLE mine ON COMMIT DROP AS SELECT name FROM patients
\simple SELECT name FROM mine
\simple COMMIT
--@ places.prepare_as: a table as a prepared statement
PREPARE q AS SELECT name FROM patients
\simple CREATE TEMP TABLE mine AS EXECUTE q
\simple SELECT * FROM mine
--@ places.no_data: rows after the table
CREATE TEMP TABLE mine AS SELECT name FROM patients WITH NO DATA
\simple INSERT INTO mine SELECT name FROM patients
\simple SELECT * FROM mine
