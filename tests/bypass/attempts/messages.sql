-- Errors, notices, notifications, settings, plans: what comes beside rows.
--@ messages.cast_integer: a cast that repeats the value
SELECT name::integer FROM patients
--@ messages.cast_date: a cast to a date
SELECT ssn::date FROM patients
--@ messages.cast_uuid: a cast to a uuid
SELECT name::uuid FROM patients
--@ messages.cast_json: a cast to JSON
SELECT name::json FROM patients
--@ messages.cast_xml: a cast to XML
SELECT ('<' || name)::xml FROM patients
--@ messages.cast_inet: a cast to an address
SELECT name::inet FROM patients
--@ messages.cast_regclass: a cast to a relation
SELECT split_part(name, ' ', 1)::regclass FROM patients
--@ messages.cast_regtype: a cast to a type
SELECT (split_part(name, ' ', 1))::regtype FROM patients
--@ messages.cast_bool: a cast in a condition
SELECT id FROM patients WHERE name::bool
--@ messages.cast_letters: one letter to an error
SELECT substr(name, 1, 1)::integer FROM patients WHERE id = 1
\simple SELECT substr(name, 2, 1)::integer FROM patients WHERE id = 1
\simple SELECT substr(name, 3, 1)::integer FROM patients WHERE id = 1
\simple SELECT substr(name, 4, 1)::integer FROM patients WHERE id = 1
\simple SELECT substr(name, 5, 1)::integer FROM patients WHERE id = 1
\simple SELECT substr(name, 6, 1)::integer FROM patients WHERE id = 1
\simple SELECT substr(name, 7, 1)::integer FROM patients WHERE id = 1
--@ messages.to_number: an order of a sort that casts
SELECT id FROM patients ORDER BY name::integer
--@ messages.enum: an enumeration of the agent's own
BEGIN
\simple CREATE TYPE mood AS ENUM ('ok')
\simple SELECT name::mood FROM patients
--@ messages.domain: a domain of the agent's own
BEGIN
\simple CREATE FUNCTION mine(text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'
\simple CREATE DOMAIN narrow AS text CHECK (mine(VALUE))
\simple SELECT count(name::narrow) FROM patients
--@ messages.overflow: a number that is too long, with its value
SELECT (pin::text || '00000000000')::bigint FROM patients
--@ messages.setting: a value that a setting does not take
SELECT set_config('work_mem', name, false) FROM patients
--@ messages.time_zone: a time zone that is not known
SELECT now() AT TIME ZONE name FROM patients
--@ messages.encode: an encoding that is not known
SELECT encode('x'::bytea, split_part(name, ' ', 1)) FROM patients
--@ messages.currval: a sequence that is not there
SELECT nextval(split_part(name, ' ', 1)) FROM patients
--@ messages.privilege: a role that is not there
SELECT has_table_privilege(split_part(name, ' ', 1), 'plain', 'SELECT') FROM patients
--@ messages.json_key: a path that JSON does not take
SELECT jsonb_set('{}', ARRAY['a'], name::jsonb) FROM patients
--@ messages.tsquery: a question that a full-text search does not take
SELECT (name || ' &&')::tsquery FROM patients
--@ messages.check: a check that fails prints the row
UPDATE patients SET city = '' WHERE id = 1
--@ messages.not_null: a column that must not be null prints the row
UPDATE patients SET city = NULL WHERE id = 1
--@ messages.check_length: a check of the masked column
UPDATE patients SET ssn = left(ssn, 10)
--@ messages.unique: a key that is there already
INSERT INTO patients (id, name, ssn, born, city) SELECT id + 10, 'n', ssn, now(), 'x' FROM patients
--@ messages.unique_update: a key that becomes another's
UPDATE patients SET ssn = (SELECT min(ssn) FROM patients)
--@ messages.index: a new index that finds duplicates
BEGIN
\simple CREATE TABLE copied AS SELECT name FROM patients UNION ALL SELECT name FROM patients
\simple CREATE UNIQUE INDEX ON copied (name)
--@ messages.foreign_key: a key that is still referred to
DELETE FROM visits; DELETE FROM patients WHERE id = 1
--@ messages.foreign_key_insert: a key that is not there
INSERT INTO charges SELECT id + 20, reverse(ssn), 1 FROM patients
--@ messages.partition: a row without a partition
BEGIN
\simple CREATE TABLE parts (x text) PARTITION BY LIST (x)
\simple INSERT INTO parts SELECT name FROM patients
--@ messages.exclusion: an exclusion that fails
BEGIN
\simple CREATE TABLE apart (r daterange, EXCLUDE USING gist (r WITH &&))
\simple INSERT INTO apart SELECT daterange(born, NULL) FROM patients UNION ALL SELECT daterange(born, NULL) FROM patients
--@ messages.too_long: a text that is too long for an identifier
DO $$ DECLARE r record; BEGIN FOR r IN SELECT name FROM public.patients LOOP EXECUTE format('CREATE TABLE %I (x int)', r.name || repeat('x', 60)); END LOOP; END $$
--@ messages.dynamic_name: a relation with the value as its name, which is not there
DO $$ DECLARE r record; BEGIN FOR r IN SELECT name FROM public.patients LOOP EXECUTE format('SELECT * FROM %I', r.name); END LOOP; END $$
--@ messages.dynamic_column: a relation with the value as a column
DO $$ BEGIN EXECUTE format('CREATE TEMP TABLE held (%I int)', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT * FROM held
--@ messages.dynamic_comment: the value as a comment of the agent's own relation
CREATE TEMP TABLE held (x int)
\simple DO $$ BEGIN EXECUTE format('COMMENT ON TABLE held IS %L', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT obj_description('held'::regclass)
--@ messages.dynamic_default: the value as a default
CREATE TEMP TABLE held (x text)
\simple DO $$ BEGIN EXECUTE format('ALTER TABLE held ALTER x SET DEFAULT %L', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple INSERT INTO held DEFAULT VALUES RETURNING x
--@ messages.dynamic_enum: the value as a label of an enumeration
BEGIN
\simple DO $$ BEGIN EXECUTE format('CREATE TYPE mood AS ENUM (%L)', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT enum_first(NULL::mood)
--@ messages.dynamic_role: the value as the name of a channel
DO $$ BEGIN EXECUTE format('LISTEN %I', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT * FROM pg_listening_channels()
--@ messages.dynamic_cursor: the value as the name of a cursor
BEGIN
\simple DO $$ BEGIN EXECUTE format('DECLARE %I CURSOR WITH HOLD FOR SELECT 1', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT name FROM pg_cursors
--@ messages.dynamic_prepared: the value in the text of a prepared statement
DO $$ BEGIN EXECUTE format('PREPARE held AS SELECT %L', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT statement FROM pg_prepared_statements
--@ messages.notice: a notice
DO $$ BEGIN RAISE NOTICE '%', (SELECT string_agg(name, ',') FROM public.patients); END $$
--@ messages.warning: a warning, with its hint
DO $$ BEGIN RAISE WARNING USING MESSAGE = 'x', HINT = (SELECT ssn FROM public.patients WHERE id = 1); END $$
--@ messages.exception: an error, with its detail
DO $$ BEGIN RAISE EXCEPTION USING MESSAGE = 'x', DETAIL = (SELECT name FROM public.patients WHERE id = 1); END $$
--@ messages.exception_column: an error, with names of what it is about
DO $$ BEGIN RAISE EXCEPTION USING MESSAGE = 'x', COLUMN = (SELECT name FROM public.patients WHERE id = 1), CONSTRAINT = 'x', TABLE = 'y'; END $$
--@ messages.sqlstate: codes of errors that carry the value, five letters to each
DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = (SELECT upper(substr(name, 1, 5)) FROM public.patients WHERE id = 1); END $$
\simple DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = (SELECT upper(substr(name, 6, 5)) FROM public.patients WHERE id = 1); END $$
--@ messages.notices_letters: one letter to a notice
DO $$ BEGIN FOR i IN 1..10 LOOP RAISE NOTICE '%', (SELECT substr(name, i, 1) FROM public.patients WHERE id = 1); END LOOP; END $$
--@ messages.info: a message for the client alone
SET client_min_messages = debug5
\simple DO $$ BEGIN RAISE INFO '%', (SELECT name FROM public.patients WHERE id = 1); END $$
--@ messages.assert: an assertion that fails
DO $$ BEGIN ASSERT false, (SELECT name FROM public.patients WHERE id = 1); END $$
--@ messages.stacked: an error that is caught and told
DO $$ DECLARE m text; BEGIN PERFORM name::integer FROM public.patients; EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS m = MESSAGE_TEXT; RAISE NOTICE '%', m; END $$
--@ messages.context: the context of an error
DO $$ BEGIN EXECUTE 'SELECT 1/0 /* ' || (SELECT name FROM public.patients WHERE id = 1) || ' */'; END $$
--@ messages.division: divided by nothing where a letter fits; an answer is an answer, an error a no
SELECT i, CASE WHEN 1 / (CASE WHEN substr(name, i, 1) = chr(c) THEN 1 ELSE 0 END + 0.0000001) < 2 THEN chr(c) END AS letter FROM patients, generate_series(1, 10) i, generate_series(32, 126) c WHERE id = 1 AND substr(name, i, 1) = chr(c) ORDER BY i
--@ messages.trigger_notice: a notice of the database's own trigger
BEGIN; UPDATE patients SET city = 'Kiel' WHERE id = 1
--@ messages.trigger_error: an error of the database's own trigger
UPDATE patients SET city = 'Nowhere' WHERE id = 1
--@ messages.notify: the payload of a notification
LISTEN c; SELECT pg_notify('c', name) FROM patients
\simple SELECT 1
--@ messages.notify_channel: the channel of a notification
DO $$ BEGIN EXECUTE format('LISTEN %I', (SELECT ssn FROM public.patients WHERE id = 1)); PERFORM pg_notify((SELECT ssn FROM public.patients WHERE id = 1), 'x'); END $$
\simple SELECT 1
--@ messages.notify_second: a notification to another session
\second LISTEN c
\simple SELECT pg_notify('c', ssn) FROM patients
\second SELECT 1
--@ messages.notify_letters: one letter to a notification
LISTEN c; SELECT pg_notify('c', substr(name, i, 1)) FROM patients, generate_series(1, 6) i WHERE id = 1
\simple SELECT 1
--@ messages.set_config: a setting of the agent's own
SELECT set_config('a.b', (SELECT name FROM patients WHERE id = 1), false)
\simple SHOW a.b
--@ messages.application_name: the name that the client gives itself, which the server reports
SELECT set_config('application_name', (SELECT name FROM patients WHERE id = 1), false) IS NULL
\simple SHOW application_name
--@ messages.activity: the name of one session, in the list of another
SELECT set_config('application_name', (SELECT ssn FROM patients WHERE id = 1), false) IS NULL
\second SELECT application_name FROM pg_stat_activity
--@ messages.explain: a plan that ran, with its filter
EXPLAIN (ANALYZE, VERBOSE, COSTS off, TIMING off) SELECT id FROM patients WHERE name = (SELECT name FROM patients WHERE id = 1) AND city = 'x'
\simple SELECT name FROM patients
--@ messages.explain_constant: a plan whose constants were computed from values
DO $$ DECLARE line text; BEGIN FOR line IN EXECUTE format('EXPLAIN SELECT 1 FROM public.plain WHERE word = %L', (SELECT name FROM public.patients WHERE id = 1)) LOOP RAISE NOTICE '%', line; END LOOP; END $$
--@ messages.explain_function: a plan with the result of a stable function of the agent's own
BEGIN
\simple CREATE FUNCTION mine() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ssn FROM public.patients WHERE id = 1'
\simple EXPLAIN VERBOSE SELECT mine()
--@ messages.command_tag: numbers of rows that are a value, three digits to a tag
CREATE TEMP TABLE counted (x int)
\simple INSERT INTO counted SELECT generate_series(1, (SELECT substr(ssn, 1, 3)::integer FROM patients WHERE id = 1))
\simple INSERT INTO counted SELECT generate_series(1, (SELECT (substr(ssn, 5, 2) || substr(ssn, 8, 4))::integer FROM patients WHERE id = 1))
--@ messages.sequence: a sequence set to a value
BEGIN
\simple CREATE SEQUENCE counter
\simple SELECT setval('counter', (SELECT pin FROM patients WHERE id = 1)) IS NULL
\simple SELECT last_value FROM counter
--@ messages.sequence_currval: the same, by what the session remembers
BEGIN
\simple CREATE SEQUENCE counter
\simple SELECT setval('counter', (SELECT pin FROM patients WHERE id = 1)) IS NULL
\simple SELECT currval('counter')
--@ messages.advisory_lock: the key of a lock, in the list of locks
SELECT pg_advisory_lock((SELECT badge FROM patients WHERE id = 1))
\second SELECT objid FROM pg_locks WHERE locktype = 'advisory'
--@ messages.gid: the name of a prepared transaction, dynamic
DO $$ BEGIN PERFORM set_config('my.gid', (SELECT name FROM public.patients WHERE id = 1), false); END $$
\simple SELECT current_setting('my.gid')
