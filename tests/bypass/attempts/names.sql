-- The relation itself, by every name that it has.
--@ names.star: all columns
SELECT * FROM patients
--@ names.column: one column
SELECT ssn FROM patients
--@ names.table: the TABLE command
TABLE patients
--@ names.alias: an alias for the column
SELECT ssn AS city FROM patients
--@ names.schema: the schema before the relation
SELECT ssn FROM public.patients
--@ names.catalog: the database before the schema
SELECT name FROM clinic.public.patients
--@ names.column_qualified: the whole name before the column
SELECT public.patients.name FROM public.patients
--@ names.only: ONLY
SELECT name FROM ONLY patients
--@ names.descendants: the star after the relation
SELECT secret FROM family *
--@ names.child: the child of the masked relation
SELECT secret FROM family_child
--@ names.parent: the parent with its children
SELECT * FROM family
--@ names.partition: a partition by its own name
SELECT note FROM visits_2024
--@ names.partitioned: the partitioned relation
SELECT note FROM visits
--@ names.tablesample: a sample of everything
SELECT name FROM patients TABLESAMPLE BERNOULLI (100)
--@ names.quoted: quoted identifiers
SELECT "ssn" FROM "public"."patients"
--@ names.unicode: an identifier by the numbers of its letters
SELECT U&"\0073\0073\006e" FROM U&"p\0061tients"
--@ names.unicode_escape: another sign that escapes
SELECT U&"!0073sn" UESCAPE '!' FROM patients
--@ names.comments: comments between all words
SELECT/**/ssn/* /* nested */ */FROM--x
patients
--@ names.case: upper case
SELECT SSN FROM PATIENTS
--@ names.search_path: a search path that finds nothing first
SET search_path = nowhere, public; SELECT name FROM patients
--@ names.search_path_function: the search path by a function
SELECT set_config('search_path', 'pg_catalog,public', false); SELECT name FROM patients
--@ names.shadow: a temporary relation under the masked one's name
CREATE TEMP TABLE patients (id int, ssn text)
\simple INSERT INTO patients SELECT id, ssn FROM public.patients
\simple SELECT ssn FROM patients
--@ names.shadow_view: a temporary view under another relation's name
CREATE TEMP VIEW plain AS SELECT id, name AS word FROM public.patients
\simple SELECT * FROM plain
--@ names.column_aliases: other names for all columns
SELECT c FROM patients AS p (a, b, c)
--@ names.join_alias: an alias for a join
SELECT j.name FROM (patients p JOIN plain q ON q.id = p.id) AS j
--@ names.renamed: the relation under a new name, in a transaction
BEGIN
\simple ALTER TABLE patients RENAME TO guests
\simple SELECT name FROM guests
--@ names.renamed_column: the column under a new name
BEGIN
\simple ALTER TABLE patients RENAME COLUMN name TO town
\simple SELECT town FROM patients
--@ names.moved: the relation in another schema
BEGIN
\simple CREATE SCHEMA elsewhere
\simple ALTER TABLE patients SET SCHEMA elsewhere
\simple SELECT name FROM elsewhere.patients
--@ names.view: a view over the masked relation
SELECT * FROM patient_view
--@ names.view_column: the view's own name for the column
SELECT number FROM patient_view WHERE id = 1
--@ names.toast: the relation's system columns beside it
SELECT ctid, xmin, tableoid::regclass, name FROM patients
--@ names.empty_qualifier: a column of the row by the function notation
SELECT name(patients) FROM patients
