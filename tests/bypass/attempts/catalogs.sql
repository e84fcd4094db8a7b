-- What the server keeps, statistics, files, and other rights.
--@ catalogs.stats: what ANALYZE learned
SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE tablename = 'patients'
--@ catalogs.stats_all: all of it
SELECT * FROM pg_catalog.pg_stats WHERE schemaname = 'public'
--@ catalogs.statistic: the relation below
SELECT stavalues1, stavalues2 FROM pg_statistic WHERE starelid = 'patients'::regclass
--@ catalogs.statistic_text: the same as rows
SELECT s::text FROM pg_statistic s WHERE starelid = 'patients'::regclass
--@ catalogs.stats_ext: what it learned of several columns
SELECT most_common_vals FROM pg_stats_ext WHERE statistics_name = 'names_of_cities'
--@ catalogs.stats_ext_items: the items of that
SELECT m.* FROM pg_statistic_ext_data d, pg_mcv_list_items(d.stxdmcv) m
--@ catalogs.stats_after: after an ANALYZE of the agent's own
ANALYZE patients; SELECT histogram_bounds FROM pg_stats WHERE tablename = 'patients' AND attname = 'name'
--@ catalogs.stats_view: a view over them
CREATE TEMP VIEW mine AS SELECT histogram_bounds::text AS x FROM pg_stats WHERE tablename = 'patients'
\simple SELECT x FROM mine
--@ catalogs.statistics_expression: statistics over an expression
CREATE TABLE lasting_expression AS SELECT name FROM patients, generate_series(1, 100)
\simple CREATE STATISTICS lasting_statistics_expression ON upper(name) FROM lasting_expression
\simple ANALYZE lasting_expression
\simple SELECT most_common_vals FROM pg_stats_ext_exprs WHERE statistics_name = 'lasting_statistics_expression'
\simple DROP TABLE lasting_expression
--@ catalogs.activity: the statement of one session, in the list of another
\simple DO $$ BEGIN PERFORM set_config('application_name', (SELECT name FROM public.patients WHERE id = 1), false); END $$
\second SELECT application_name, query FROM pg_stat_activity
--@ catalogs.partition_bound: the bounds of a partition of the agent's own
BEGIN
\simple CREATE TABLE parts (x text) PARTITION BY LIST (x)
\simple DO $$ BEGIN EXECUTE format('CREATE TABLE part PARTITION OF parts FOR VALUES IN (%L)', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'part'
--@ catalogs.constraint: the text of a check of the agent's own
BEGIN
\simple DO $$ BEGIN EXECUTE format('CREATE TABLE checked (x text CHECK (x <> %L))', (SELECT ssn FROM public.patients WHERE id = 1)); END $$
\simple SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'checked'::regclass
--@ catalogs.function_source: the source of a function of the agent's own
BEGIN
\simple DO $$ BEGIN EXECUTE format('CREATE FUNCTION mine() RETURNS text LANGUAGE sql AS %L', 'SELECT ' || quote_literal((SELECT name FROM public.patients WHERE id = 1))); END $$
\simple SELECT prosrc FROM pg_proc WHERE proname = 'mine'
--@ catalogs.view_definition: the text of a view of the agent's own
BEGIN
\simple DO $$ BEGIN EXECUTE format('CREATE VIEW mine AS SELECT %L AS x', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT definition FROM pg_views WHERE viewname = 'mine'
--@ catalogs.role_setting: a setting of the role
BEGIN
\simple DO $$ BEGIN EXECUTE format('ALTER ROLE CURRENT_USER SET my.x = %L', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT setconfig FROM pg_db_role_setting
--@ catalogs.options: an option of a relation of the agent's own
BEGIN
\simple DO $$ BEGIN EXECUTE format('CREATE FOREIGN DATA WRAPPER mine OPTIONS (x %L)', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT fdwoptions FROM pg_foreign_data_wrapper WHERE fdwname = 'mine'
--@ catalogs.file: the relation's own file
CHECKPOINT
\simple SELECT pg_read_binary_file(pg_relation_filepath('patients'))
--@ catalogs.file_copy: a file that COPY wrote
DO $$ BEGIN EXECUTE format('COPY public.patients (name) TO %L', current_setting('data_directory') || '/copied'); END $$
\simple SELECT pg_read_file('copied')
--@ catalogs.program: a program that COPY feeds, and reads again
CREATE TEMP TABLE mine (x text)
\simple COPY (SELECT name FROM patients) TO PROGRAM 'cat > told'
\simple COPY mine FROM PROGRAM 'rev told'
\simple SELECT x FROM mine
--@ catalogs.large_object_file: a file as a large object
CHECKPOINT
\simple BEGIN
\simple SELECT lo_import(current_setting('data_directory') || '/' || pg_relation_filepath('patients'), 47113)
\simple SELECT lo_get(47113)
--@ catalogs.page: the relation's page by an extension
BEGIN
\simple CREATE EXTENSION pageinspect
\simple SELECT get_raw_page('patients', 0)
--@ catalogs.page_items: the rows of that page
BEGIN
\simple CREATE EXTENSION pageinspect
\simple SELECT t_data FROM heap_page_items(get_raw_page('patients', 0))
--@ catalogs.index_page: the keys of an index
BEGIN
\simple CREATE EXTENSION pageinspect
\simple SELECT data FROM bt_page_items('patients_ssn_key', 1)
--@ catalogs.file_wrapper: a foreign table over a file
CHECKPOINT
\simple BEGIN
\simple CREATE EXTENSION file_fdw
\simple CREATE SERVER files FOREIGN DATA WRAPPER file_fdw
\simple DO $$ BEGIN EXECUTE format('CREATE FOREIGN TABLE far (x text) SERVER files OPTIONS (program %L)', 'tr -dc "A-Za-z0-9 " < ' || current_setting('data_directory') || '/' || pg_relation_filepath('public.patients')); END $$
\simple SELECT x FROM far
--@ catalogs.other_role: as somebody else
SET ROLE clerk; SELECT name FROM patients
--@ catalogs.owner: as the owner
SET ROLE postgres; SELECT name FROM patients
--@ catalogs.authorization: as another session user
SET SESSION AUTHORIZATION clerk; SELECT name FROM patients
--@ catalogs.grant: a right of the agent's own making
BEGIN
\simple GRANT SELECT ON patients TO exhibit
\simple SELECT name FROM patients
--@ catalogs.own: the relation as the agent's own
BEGIN
\simple ALTER TABLE patients OWNER TO exhibit
\simple SELECT name FROM patients
--@ catalogs.superuser: a role of the agent's own with all rights
BEGIN
\simple CREATE ROLE mighty SUPERUSER
\simple SET LOCAL ROLE mighty
\simple SELECT name FROM patients
--@ catalogs.replica: with triggers and rules off
SET session_replication_role = replica; SELECT name FROM patients
--@ catalogs.logical: the changes as replication has them
BEGIN
\simple CREATE TABLE changed AS SELECT name FROM patients
\simple SELECT pg_logical_emit_message(true, 'x', (SELECT name FROM patients WHERE id = 1)) IS NULL
\simple SELECT name FROM changed
--@ catalogs.prepared_list: texts of prepared statements, dynamic
DO $$ BEGIN EXECUTE format('PREPARE %I AS SELECT 1', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT name FROM pg_prepared_statements
--@ catalogs.information_schema: what the standard's views say of a default
BEGIN
\simple DO $$ BEGIN EXECUTE format('CREATE TABLE held (x text DEFAULT %L)', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT column_default FROM information_schema.columns WHERE table_name = 'held'
--@ catalogs.description: a comment on a relation of the agent's own
BEGIN
\simple CREATE TABLE held (x text)
\simple DO $$ BEGIN EXECUTE format('COMMENT ON COLUMN held.x IS %L', (SELECT name FROM public.patients WHERE id = 1)); END $$
\simple SELECT description FROM pg_description WHERE objoid = 'held'::regclass
