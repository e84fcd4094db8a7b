-- Functions, code, and functions that read what they are told to.
--@ functions.existing: a function of the database
SELECT ssn_of(1)
--@ functions.existing_from: the same in FROM
SELECT x FROM ssn_of(1) AS x
--@ functions.existing_where: the same beside a condition
SELECT id, ssn_of(id) FROM plain
--@ functions.sql: a function of the agent's own in SQL
BEGIN
\simple CREATE FUNCTION mine() RETURNS SETOF text LANGUAGE sql AS 'SELECT name FROM public.patients'
\simple SELECT mine()
--@ functions.sql_body: one with a body that was read when it was made
BEGIN
\simple CREATE FUNCTION mine() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT ssn FROM patients WHERE id = 1; END
\simple SELECT mine()
--@ functions.plpgsql: one in PL/pgSQL
BEGIN
\simple CREATE FUNCTION mine() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT name FROM public.patients WHERE id = 1); END'
\simple SELECT mine()
--@ functions.dynamic: one that puts its statement together
BEGIN
\simple CREATE FUNCTION mine() RETURNS text LANGUAGE plpgsql AS 'DECLARE x text; BEGIN EXECUTE ''SELECT na'' || ''me FROM public.pati'' || ''ents'' INTO x; RETURN x; END'
\simple SELECT mine()
--@ functions.definer: one with its owner's rights
BEGIN
\simple CREATE FUNCTION mine() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT name FROM public.patients WHERE id = 1'
\simple SELECT mine()
--@ functions.temp: one of the session's own schema
CREATE FUNCTION pg_temp.mine() RETURNS text LANGUAGE sql AS 'SELECT name FROM public.patients WHERE id = 1'
\simple SELECT pg_temp.mine()
--@ functions.polymorphic: one that takes anything
BEGIN
\simple CREATE FUNCTION mine(anyelement) RETURNS text LANGUAGE sql AS 'SELECT $1::text'
\simple SELECT mine(p) FROM patients p
--@ functions.out: one with columns of its own
BEGIN
\simple CREATE FUNCTION mine(OUT a text, OUT b text) LANGUAGE sql AS 'SELECT name, ssn FROM public.patients WHERE id = 1'
\simple SELECT * FROM mine()
--@ functions.procedure: a procedure that gives a value back
BEGIN
\simple CREATE PROCEDURE mine(INOUT x text) LANGUAGE plpgsql AS 'BEGIN x := (SELECT name FROM public.patients WHERE id = 1); END'
\simple CALL mine('')
--@ functions.aggregate: an aggregate of the agent's own
BEGIN
\simple CREATE FUNCTION mine(text, text) RETURNS text LANGUAGE sql AS $$SELECT coalesce($1, '') || $2$$
\simple CREATE AGGREGATE joined (text) (SFUNC = mine, STYPE = text)
\simple SELECT joined(name) FROM patients
--@ functions.operator: an operator of the agent's own
BEGIN
\simple CREATE FUNCTION mine(text, text) RETURNS text LANGUAGE sql AS 'SELECT $1'
\simple CREATE OPERATOR ==> (FUNCTION = mine, LEFTARG = text, RIGHTARG = text)
\simple SELECT name ==> 'x' FROM patients
--@ functions.cast: a cast of the agent's own
BEGIN
\simple CREATE TYPE held AS (x text)
\simple CREATE FUNCTION mine(text) RETURNS held LANGUAGE sql AS 'SELECT ROW($1)::held'
\simple CREATE CAST (text AS held) WITH FUNCTION mine(text)
\simple SELECT name::held FROM patients
--@ functions.cheap: a cheap function that is asked before the barrier
BEGIN
\simple CREATE FUNCTION leak(text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'
\simple SELECT id FROM patients WHERE leak(name)
--@ functions.cheap_row: the same over the row
BEGIN
\simple CREATE FUNCTION leak(text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'
\simple SELECT id FROM patients p WHERE leak(p::text) AND false IS NOT TRUE
--@ functions.cheap_view: the same over the view
BEGIN
\simple CREATE FUNCTION leak(text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'
\simple SELECT id FROM patient_view WHERE leak(number)
--@ functions.cheap_installed: the same over the view that a plan installs, where one is
BEGIN
\simple CREATE FUNCTION leak(text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'
\simple UPDATE patients SET city = 'x' WHERE leak(name)
--@ functions.do: a block of code into a setting
DO $$ BEGIN PERFORM set_config('a.b', (SELECT name FROM public.patients WHERE id = 1), false); END $$
\simple SELECT current_setting('a.b')
--@ functions.do_table: a block of code into a temporary table
CREATE TEMP TABLE held (x text)
\simple DO $$ BEGIN INSERT INTO held SELECT ssn FROM public.patients; END $$
\simple SELECT x FROM held
--@ functions.do_loop: rows of a block of code
DO $$ DECLARE r record; BEGIN FOR r IN EXECUTE 'SELECT * FROM public.patients' LOOP RAISE NOTICE '%', r; END LOOP; END $$
--@ functions.query_to_xml: a statement as a text
SELECT query_to_xml('SELECT name, ssn FROM patients', true, false, '')
--@ functions.query_to_xml_parts: a statement put together
SELECT query_to_xml(concat('SELECT na', 'me FROM pati', 'ents'), true, false, '')
--@ functions.table_to_xml: a relation as XML
SELECT table_to_xml('patients', true, false, '')
--@ functions.schema_to_xml: a schema as XML
SELECT schema_to_xml('public', true, false, '')
--@ functions.database_to_xml: the database as XML
SELECT database_to_xml(true, false, '')
--@ functions.cursor_to_xml: a cursor as XML
BEGIN; DECLARE c CURSOR FOR SELECT name FROM patients; SELECT cursor_to_xml('c', 10, true, false, '')
--@ functions.ts_stat: a statement of a full-text search
SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', name) FROM public.patients')
--@ functions.ts_rewrite: a statement that rewrites a question
SELECT ts_rewrite('a & b'::tsquery, 'SELECT ''a''::tsquery, quote_literal(name)::tsquery FROM patients WHERE id = 1')
--@ functions.refcursor: a cursor that a function opens
BEGIN
\simple CREATE FUNCTION mine() RETURNS refcursor LANGUAGE plpgsql AS 'DECLARE c refcursor := ''held''; BEGIN OPEN c FOR SELECT name FROM public.patients; RETURN c; END'
\simple SELECT mine()
\simple FETCH ALL FROM held
--@ functions.set_returning: a function that returns rows of the relation's type
BEGIN
\simple CREATE FUNCTION mine() RETURNS SETOF patients LANGUAGE sql AS 'SELECT * FROM public.patients'
\simple SELECT name FROM mine()
--@ functions.replaced: a function of the database with another body
BEGIN
\simple CREATE OR REPLACE FUNCTION ssn_of(integer) RETURNS text LANGUAGE sql STABLE AS 'SELECT name FROM public.patients WHERE id = $1'
\simple SELECT ssn_of(1)
--@ functions.shadowed: a function before one of the system's
BEGIN
\simple CREATE FUNCTION public.upper(text) RETURNS text LANGUAGE sql AS 'SELECT name FROM public.patients WHERE id = 1'
\simple SET LOCAL search_path = public, pg_catalog
\simple SELECT upper(word) FROM plain
--@ functions.shadowed_operator: an operator before one of the system's
BEGIN
\simple CREATE FUNCTION mine(text, text) RETURNS text LANGUAGE sql AS 'SELECT name FROM public.patients WHERE id = 1'
\simple CREATE OPERATOR public.|| (FUNCTION = mine, LEFTARG = text, RIGHTARG = text)
\simple SET LOCAL search_path = public, pg_catalog
\simple SELECT word || 'x'::text FROM plain
--@ functions.attribute: a function in the notation of a column
BEGIN
\simple CREATE FUNCTION mine(plain) RETURNS text LANGUAGE sql AS 'SELECT name FROM public.patients WHERE id = 1'
\simple SELECT p.mine FROM plain p
--@ functions.variadic: an array of arguments
SELECT concat(VARIADIC ARRAY[name, ssn]) FROM patients
--@ functions.named: an argument by its name
SELECT make_interval(days => length(name)), name || '' FROM patients
--@ functions.index_reads: an index of the agent's own relation that reads when it is made
BEGIN
\simple CREATE FUNCTION mine(int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', (SELECT name FROM public.patients WHERE id = 1); RETURN ''x''; END'
\simple CREATE INDEX ON plain (mine(id))
--@ functions.event_trigger: code that runs when something is defined
BEGIN
\simple CREATE FUNCTION mine() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', (SELECT name FROM public.patients WHERE id = 1); END'
\simple CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION mine()
\simple CREATE TABLE x (y int)
--@ functions.dblink: another connection with a password that was found
BEGIN
\simple CREATE EXTENSION dblink
\simple SELECT * FROM dblink('host=127.0.0.1 user=clerk password=found dbname=clinic port=' || current_setting('port'), 'SELECT name FROM patients') AS t (x text)
--@ functions.dblink_error: the same in an error
BEGIN
\simple CREATE EXTENSION dblink
\simple SELECT dblink_exec('host=127.0.0.1 user=clerk password=found dbname=clinic port=' || current_setting('port'), 'DO $x$ BEGIN RAISE EXCEPTION ''%'', (SELECT name FROM patients WHERE id = 1); END $x$')
--@ functions.foreign_table: a foreign table over another connection
BEGIN
\simple CREATE EXTENSION postgres_fdw
\simple DO $$ BEGIN EXECUTE 'CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host ''127.0.0.1'', dbname ''clinic'', port ''' || current_setting('port') || ''')'; END $$
\simple CREATE USER MAPPING FOR CURRENT_USER SERVER other OPTIONS (user 'clerk', password 'found')
\simple CREATE FOREIGN TABLE far (name text, ssn text) SERVER other OPTIONS (table_name 'patients')
\simple SELECT * FROM far
--@ functions.crosstab: a statement of an extension
BEGIN
\simple CREATE EXTENSION tablefunc
\simple SELECT * FROM crosstab('SELECT id, city, name FROM public.patients ORDER BY 1') AS t (a int, b text)
--@ functions.pgcrypto: an armour of an extension
SELECT crypto.armor(name::bytea) FROM patients
--@ functions.hstore: a row as an extension has it
BEGIN
\simple CREATE EXTENSION hstore
\simple SELECT hstore(p) FROM patients p
