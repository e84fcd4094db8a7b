-- Views, partitions and children that the owner of the database has defined, and what an agent makes of them.
--@ views.renamed: the names that a view gives
SELECT v.who, v.number FROM patient_view v
--@ views.subquery: a query around a view
SELECT q.x FROM (SELECT number AS x FROM patient_view) q
--@ views.with: an expression of WITH over a view
WITH q AS (SELECT * FROM patient_view) SELECT who FROM q
--@ views.expression: an expression over a column of a view
SELECT who || '' FROM patient_view
--@ views.reversed: a function of it
SELECT reverse(number) FROM patient_view
--@ views.row: a row of a view
SELECT v FROM patient_view v
--@ views.json: the row as JSON
SELECT row_to_json(v) FROM patient_view v
--@ views.whole: the view's name as a value
SELECT patient_view FROM patient_view
--@ views.scalar: a query in the place of a value
SELECT (SELECT who FROM patient_view WHERE id = 1) || ''
--@ views.aggregate: an aggregate over a view
SELECT string_agg(who, ',') FROM patient_view
--@ views.grouped: groups of a view's rows
SELECT number, count(*) FROM patient_view GROUP BY number
--@ views.ordered: the least of a view's rows
SELECT who FROM patient_view ORDER BY number LIMIT 1
--@ views.distinct: different rows of a view
SELECT DISTINCT who FROM patient_view
--@ views.computed: what a view computes
SELECT capitals FROM letter_view
--@ views.line: what a view puts together
SELECT line FROM letter_view WHERE id = 1
--@ views.line_star: all columns of it
SELECT * FROM letter_view
--@ views.joined: a view of a join
SELECT note FROM visit_view
--@ views.joined_star: all columns of it
TABLE visit_view
--@ views.union: a view of several relations
SELECT word FROM union_view
--@ views.union_one: one row of it
SELECT word FROM union_view WHERE id = 1 LIMIT 1
--@ views.last: an aggregate of a view
SELECT last FROM last_view
--@ views.names: a list of a view
SELECT names FROM last_view WHERE city = 'Ulm'
--@ views.chosen: a view whose rows go by values
SELECT name FROM chosen_view
--@ views.part: a view that can fail
SELECT name FROM number_view WHERE id > 1
--@ views.self_join: a view joined with its relation
SELECT a.who, b.city FROM patient_view a JOIN patients b ON b.ssn = a.number
--@ views.copy: a copy of a view
COPY (SELECT who, number FROM patient_view) TO STDOUT
--@ views.cursor: a cursor over a view
BEGIN; DECLARE c CURSOR FOR SELECT who FROM patient_view; FETCH ALL FROM c
--@ views.prepared: a prepared statement over a view
PREPARE q AS SELECT number FROM patient_view; EXECUTE q
--@ views.binary: a view in binary formats
\binary SELECT who, number FROM patient_view
--@ views.pages: a view a page at a time
\rows 1 SELECT who FROM patient_view
--@ views.past: a view in a transaction that sees the past
BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT who FROM patient_view
--@ views.returning: a change through a view of one relation
BEGIN; DELETE FROM letter_view WHERE id = 2 RETURNING line
--@ views.written: a row of a view into an open column
BEGIN; INSERT INTO plain SELECT id, who FROM patient_view; TABLE plain
--@ views.made: a table of a view
BEGIN; CREATE TABLE mine AS SELECT number FROM patient_view; TABLE mine
--@ views.made_materialized: a materialized view of a view
BEGIN; CREATE MATERIALIZED VIEW mine AS SELECT who FROM patient_view; TABLE mine
--@ views.over: a view over the view
BEGIN
\simple CREATE VIEW mine AS SELECT who AS city FROM patient_view
\simple SELECT city FROM mine
--@ views.replaced: another meaning for the names of the view
BEGIN
\simple CREATE OR REPLACE VIEW patient_view WITH (security_invoker) AS SELECT id, city AS who, ssn AS number, name AS city FROM patients
\simple SELECT city FROM patient_view
--@ views.replaced_open: a masked column under the name of an open one
BEGIN
\simple CREATE OR REPLACE VIEW city_view WITH (security_invoker) AS SELECT name AS city, 1::bigint AS patients FROM patients
\simple SELECT city FROM city_view
--@ views.column_renamed: a masked column of the view gets another name
BEGIN
\simple ALTER VIEW patient_view RENAME COLUMN who TO town
\simple SELECT town FROM patient_view
--@ views.ruled: a rule of the agent's own that gives other columns back
BEGIN
\simple CREATE RULE mine AS ON INSERT TO city_view DO INSTEAD UPDATE patients SET city = city RETURNING name, 1::bigint
\simple INSERT INTO city_view VALUES ('x', 1) RETURNING city
--@ views.no_ctid: a name that a view does not have is looked for further out
SELECT (SELECT ctid FROM city_view LIMIT 1) FROM (SELECT ssn AS ctid FROM patients) q
--@ views.no_xmin: another one
SELECT (SELECT xmin FROM city_view LIMIT 1) FROM (SELECT name AS xmin FROM patients) q
--@ views.no_tableoid: another one, in a condition's row
SELECT l.x FROM (SELECT name AS tableoid FROM patients) q, LATERAL (SELECT tableoid AS x FROM city_view LIMIT 1) l
--@ views.partition_row: its row
SELECT p FROM visits_2024 p
--@ views.partition_expression: an expression over it
SELECT upper(note) FROM visits_2024
--@ views.child_parted: a child that is one no longer
BEGIN
\simple ALTER TABLE family_child NO INHERIT family
\simple SELECT secret FROM family_child
--@ views.child_new: a child of the agent's own, with the parent's rows in it
BEGIN
\simple CREATE TABLE mine () INHERITS (family)
\simple INSERT INTO mine SELECT id, secret FROM family_child
\simple SELECT secret FROM mine
--@ views.child_union: all of the family by its children
SELECT secret FROM family_child UNION ALL SELECT secret FROM ONLY family
