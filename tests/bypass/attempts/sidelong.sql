-- Ways that show a value beside what a statement answers.
--@ sidelong.copy_verbose: a COPY that says what it could not read
BEGIN
\simple CREATE TEMP TABLE taken (n integer)
\simple CREATE TEMP TABLE texts AS SELECT ssn FROM patients
\simple INSERT INTO taken SELECT ssn::integer FROM texts
--@ sidelong.serialize: a plan that is run and measured
EXPLAIN (ANALYZE, VERBOSE, SETTINGS) SELECT name FROM patients WHERE name = (SELECT max(name) FROM patients)
\simple SELECT max(name) FROM patients
--@ sidelong.large_object: a large object keeps it
SELECT lo_from_bytea(4711, name::bytea) FROM patients WHERE id = 1
\simple SELECT convert_from(lo_get(4711), 'UTF8')
--@ sidelong.large_object_number: the number of a large object is the value
SELECT lo_create(badge::oid) FROM patients WHERE id = 1
\simple SELECT oid FROM pg_largeobject_metadata
--@ sidelong.role_comment: a comment that code makes
DO $$ BEGIN EXECUTE format('COMMENT ON TABLE plain IS %L', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT obj_description('plain'::regclass)
--@ sidelong.table_name: the name of a table that code makes
DO $$ BEGIN EXECUTE format('CREATE TEMP TABLE %I ()', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT relname FROM pg_class WHERE relpersistence = 't'
--@ sidelong.application_name: the name of the application
DO $$ BEGIN PERFORM set_config('application_name', (SELECT name FROM public.patients WHERE id = 1), false); END $$
\simple SHOW application_name
--@ sidelong.prepared_name: the name of a prepared statement
DO $$ BEGIN EXECUTE format('PREPARE %I AS SELECT 1', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT name FROM pg_prepared_statements
--@ sidelong.cursor_name: the name of a cursor
BEGIN
\simple DO $$ DECLARE c refcursor := (SELECT name FROM public.patients WHERE id = 1); BEGIN OPEN c FOR SELECT 1; END $$
\simple SELECT name FROM pg_cursors
--@ sidelong.cursor_held: a cursor that outlives its transaction
BEGIN
\simple DECLARE held CURSOR WITH HOLD FOR SELECT upper(name), name FROM patients
\simple COMMIT
\simple FETCH ALL FROM held
--@ sidelong.cursor_back: a cursor that is read backwards
BEGIN
\simple DECLARE back SCROLL CURSOR FOR SELECT name FROM patients
\simple FETCH LAST FROM back
\simple FETCH BACKWARD ALL FROM back
--@ sidelong.enum: a label of an enum
DO $$ BEGIN EXECUTE format('CREATE TYPE mine_enum AS ENUM (%L)', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT enumlabel FROM pg_enum
--@ sidelong.check: the text of a check
DO $$ BEGIN EXECUTE format('CREATE TEMP TABLE t (x text CHECK (x <> %L))', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass
--@ sidelong.default: the text of a default
DO $$ BEGIN EXECUTE format('CREATE TEMP TABLE t (x text DEFAULT %L)', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple INSERT INTO t DEFAULT VALUES RETURNING x
--@ sidelong.view_text: the text of a view
DO $$ BEGIN EXECUTE format('CREATE TEMP VIEW t AS SELECT %L AS x', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT pg_get_viewdef('t'::regclass)
--@ sidelong.partition_error: a row that fits no partition
CREATE TEMP TABLE parts (x text) PARTITION BY LIST (x)
\simple INSERT INTO parts SELECT name FROM patients
--@ sidelong.exclusion: a row that an exclusion refuses
CREATE TEMP TABLE x (t text, EXCLUDE USING btree (t WITH =))
\simple INSERT INTO x SELECT name FROM patients, generate_series(1, 2)
--@ sidelong.enum_error: a value that an enum has not
CREATE TYPE mood AS ENUM ('good')
\simple SELECT name::mood FROM patients
--@ sidelong.regclass_error: a relation that there is not
SELECT ('"' || name || '"')::regclass FROM patients
--@ sidelong.privilege_error: a trigger that raises an error as if about a right
\simple UPDATE patients SET city = 'Denied' WHERE id = 1
--@ sidelong.name_error: a trigger that runs a statement with a name made of a value
\simple UPDATE patients SET city = 'Moved' WHERE id = 1
--@ sidelong.check_error: a check that looks a value up as a name
\simple UPDATE charges SET amount = 5000
--@ sidelong.regrole_error: a role that there is not
SELECT ssn::regrole FROM patients
--@ sidelong.config_error: a setting that takes no such value
SELECT set_config('timezone', ssn, false) FROM patients WHERE id = 1
--@ sidelong.json_error: a text that is no JSON
SELECT name::json FROM patients
--@ sidelong.xml_error: a text that is no XML
SELECT ('<' || name)::xml FROM patients
--@ sidelong.collation: a collation of the agent's own
CREATE COLLATION mine (provider = icu, locale = 'und')
\simple SELECT name COLLATE mine FROM patients
--@ sidelong.operator: an operator of the agent's own
CREATE FUNCTION both_of(text, text) RETURNS text LANGUAGE sql AS 'SELECT $1 || $2'
\simple CREATE OPERATOR <+> (LEFTARG = text, RIGHTARG = text, FUNCTION = both_of)
\simple SELECT name <+> 'x' FROM patients
--@ sidelong.cast: a cast of the agent's own
CREATE TYPE boxed AS (x text)
\simple CREATE FUNCTION to_box(text) RETURNS boxed LANGUAGE sql AS 'SELECT ROW($1)::boxed'
\simple CREATE CAST (text AS boxed) WITH FUNCTION to_box(text)
\simple SELECT (name::boxed).x FROM patients
--@ sidelong.shadow: a function that hides the server's
BEGIN
\simple CREATE FUNCTION public.upper(text) RETURNS text LANGUAGE sql AS 'SELECT $1'
\simple SET search_path = public, pg_catalog
\simple SELECT upper(name) FROM patients
\simple ROLLBACK
--@ sidelong.shadow_table: a temporary table that hides another
CREATE TEMP TABLE plain AS SELECT id, name AS word FROM public.patients
\simple SELECT word FROM plain
--@ sidelong.xml_document: a query as a text
SELECT query_to_xml('SELECT name FROM public.patients', true, true, '')
--@ sidelong.xml_cursor: a cursor as a text
BEGIN
\simple DECLARE c CURSOR FOR SELECT name FROM patients
\simple SELECT cursor_to_xml('c', 10, true, true, '')
--@ sidelong.ts_stat: a query as a text, of words
SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', name) FROM public.patients')
--@ sidelong.ts_headline: words in a text
SELECT ts_headline('simple', name, 'x') FROM patients
--@ sidelong.rewrite: a query that is rewritten by a table
SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, plainto_tsquery(''simple'', name) FROM public.patients WHERE id = 1')
--@ sidelong.rule: a rule that copies
CREATE TABLE kept (t text)
\simple CREATE RULE keep AS ON UPDATE TO patients DO ALSO INSERT INTO kept VALUES (OLD.name)
\simple UPDATE patients SET city = city
\simple SELECT * FROM kept
\simple DROP RULE keep ON patients
\simple DROP TABLE kept
--@ sidelong.trigger_argument: a trigger that is told what to say
CREATE FUNCTION said() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', to_jsonb(OLD) ->> TG_ARGV[0]; RETURN NEW; END $$
\simple BEGIN
\simple CREATE TRIGGER said BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION said('name')
\simple UPDATE patients SET city = city
\simple ROLLBACK
--@ sidelong.constraint_trigger: the same, later
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', NEW.name; RETURN NULL; END $$
\simple BEGIN
\simple CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON patients INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late()
\simple UPDATE patients SET city = city
\simple SET CONSTRAINTS ALL IMMEDIATE
\simple ROLLBACK
--@ sidelong.statement_trigger: all rows at once
CREATE FUNCTION rows_of() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', (SELECT json_agg(o) FROM o); RETURN NULL; END $$
\simple BEGIN
\simple CREATE TRIGGER rows_of AFTER UPDATE ON patients REFERENCING OLD TABLE AS o FOR EACH STATEMENT EXECUTE FUNCTION rows_of()
\simple UPDATE patients SET city = city
\simple ROLLBACK
--@ sidelong.policy: row security that says what it sees
CREATE FUNCTION seen(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$
\simple SELECT id FROM patients WHERE seen(name)
--@ sidelong.index_function: an index whose function says what it sees
CREATE FUNCTION loud(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE '%', $1; RETURN $1; END $$
\simple BEGIN
\simple CREATE INDEX ON patients (loud(name))
\simple ROLLBACK
--@ sidelong.generated: a generated column of the agent's
BEGIN
\simple ALTER TABLE patients ADD COLUMN copied text GENERATED ALWAYS AS (name || '') STORED
\simple SELECT copied FROM patients
\simple ROLLBACK
--@ sidelong.copied_table: a table like it
BEGIN
\simple CREATE TEMP TABLE heir () INHERITS (patients)
\simple SELECT name FROM ONLY patients
\simple ROLLBACK
--@ sidelong.most_common: statistics that the agent has made
ANALYZE patients (name)
\simple SELECT histogram_bounds, most_common_vals FROM pg_stats WHERE tablename = 'patients' AND attname = 'name'
--@ sidelong.nested_cursor: a cursor in a function's hands
CREATE FUNCTION opened() RETURNS refcursor LANGUAGE plpgsql AS $$ DECLARE c refcursor := 'mine'; BEGIN OPEN c FOR SELECT name FROM public.patients; RETURN c; END $$
\simple BEGIN
\simple SELECT opened()
\simple FETCH ALL FROM mine
--@ sidelong.temporary_function: a function that is not kept
CREATE FUNCTION pg_temp.told() RETURNS SETOF text LANGUAGE sql AS 'SELECT name FROM public.patients'
\simple SELECT pg_temp.told()
--@ sidelong.definer: a function that acts for the agent
CREATE FUNCTION acts() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT name FROM public.patients'
\simple SELECT acts()
--@ sidelong.procedure: a procedure with an output
CREATE PROCEDURE gives(INOUT x text) LANGUAGE plpgsql AS $$ BEGIN SELECT name INTO x FROM public.patients WHERE id = 1; END $$
\simple CALL gives(NULL)
--@ sidelong.diagnostics: an error that is caught and shown
DO $$ DECLARE d text; BEGIN PERFORM name::integer FROM public.patients; EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS d = MESSAGE_TEXT; RAISE NOTICE '%', d; END $$
--@ sidelong.assertion: an assertion that fails
DO $$ BEGIN ASSERT false, (SELECT name FROM public.patients WHERE id = 1); END $$
--@ sidelong.sqlstate: five letters as an SQLSTATE, and the rest
DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = 'x', HINT = (SELECT name FROM public.patients WHERE id = 1); END $$
--@ sidelong.column_of_error: names of a constraint, a column and a table in an error
DO $$ BEGIN RAISE EXCEPTION USING MESSAGE = 'x', CONSTRAINT = (SELECT name FROM public.patients WHERE id = 1); END $$
--@ sidelong.table_of_error: the same, of a table
DO $$ BEGIN RAISE EXCEPTION USING MESSAGE = 'x', TABLE = (SELECT name FROM public.patients WHERE id = 1); END $$
--@ sidelong.crosstab: more than one row in a column
SELECT json_object_agg(id, name) FROM patients
--@ sidelong.window_frame: what stands in the next row
SELECT id, lead(name) OVER (ORDER BY id), first_value(name) OVER (ORDER BY id) FROM patients
--@ sidelong.grouping_sets: groups of several kinds
SELECT name, city, count(*) FROM patients GROUP BY GROUPING SETS ((name), (city))
--@ sidelong.merge: a MERGE that copies
BEGIN
\simple MERGE INTO plain USING patients p ON plain.id = p.id WHEN MATCHED THEN UPDATE SET word = p.name
\simple SELECT word FROM plain
\simple ROLLBACK
--@ sidelong.on_conflict: an INSERT that meets a row
BEGIN
\simple INSERT INTO patients (id, name, ssn, born, city) VALUES (1, 'x', '000-00-0000', '2000-01-01', 'x') ON CONFLICT (id) DO UPDATE SET city = patients.name RETURNING city
\simple ROLLBACK
--@ sidelong.update_from: an UPDATE that reads
BEGIN
\simple UPDATE plain SET word = p.ssn FROM patients p WHERE p.id = plain.id RETURNING word
\simple ROLLBACK
--@ sidelong.delete_using: a DELETE that reads
BEGIN
\simple DELETE FROM plain USING patients p WHERE p.id = plain.id RETURNING p.name
\simple ROLLBACK
--@ sidelong.own_rows: the relation without those below it
SELECT secret FROM ONLY family
\simple COPY family TO STDOUT
\simple COPY family_child TO STDOUT
--@ sidelong.view_over_view: a view of the agent's over another
CREATE VIEW mine_over AS SELECT who || '' AS w FROM patient_view
\simple SELECT w FROM mine_over
\simple DROP VIEW mine_over
--@ sidelong.materialized: a materialized view
CREATE MATERIALIZED VIEW mine_kept AS SELECT name FROM patients
\simple SELECT * FROM mine_kept
\simple DROP MATERIALIZED VIEW mine_kept
--@ sidelong.view_row: a whole row of a view
SELECT v, row_to_json(v) FROM patient_view v
--@ sidelong.view_cursor: a cursor over a view
BEGIN
\simple DECLARE c CURSOR FOR SELECT * FROM letter_view
\simple FETCH ALL FROM c
--@ sidelong.view_update: a change by a view of what is masked
BEGIN
\simple UPDATE patient_view SET city = who RETURNING city
\simple ROLLBACK
