-- What somebody tries who may compare masked columns with values, under masks_tried.toml. The second word of an attempt says
-- what becomes of it: it is answered, by rows alone, or refused.
--@ tried.answered.literal: one value
SELECT id, name, ssn FROM patients WHERE ssn = '000-00-0000'
--@ tried.answered.list: several
SELECT count(*) FROM patients WHERE ssn IN ('000-00-0000', '111-11-1111')
--@ tried.answered.array: an array
SELECT id FROM patients WHERE pin = ANY ('{1,2,3}')
--@ tried.answered.bound: a parameter
\bound '000-00-0000' SELECT id, ssn FROM patients WHERE ssn = $1
--@ tried.answered.bound_array: a parameter that is an array
\bound '{000-00-0000,111-11-1111}' SELECT id, ssn FROM patients WHERE ssn = ANY ($1)
--@ tried.answered.paged: one row at a time
\rows 1 SELECT id, ssn FROM patients WHERE city = 'Ulm' AND badge = 5
--@ tried.answered.uuid: another type
SELECT id FROM patients WHERE key = '00000000-0000-0000-0000-000000000000'
--@ tried.answered.echo: what is shown of a row that has it
SELECT id, upper(name), doc, patients FROM patients WHERE name = 'Nobody'
--@ tried.answered.joined: beside a join by clean columns
SELECT p.id, v.note FROM patients p JOIN visits v ON v.patient = p.id WHERE p.name = 'Nobody'
--@ tried.answered.join: in what an inner join goes by
SELECT p.id, v.day FROM visits v JOIN patients p ON p.id = v.patient AND p.name = 'Nobody'
--@ tried.answered.copy: copied out
COPY (SELECT id, name FROM patients WHERE ssn = '000-00-0000') TO STDOUT
--@ tried.refused.or: a condition that holds anyway
SELECT id FROM patients WHERE ssn = '000-00-0000' OR true
--@ tried.refused.not: its contrary
SELECT id FROM patients WHERE NOT (ssn = '000-00-0000')
--@ tried.refused.is_false: its contrary by a test
SELECT id FROM patients WHERE (ssn = '000-00-0000') IS FALSE
--@ tried.refused.null: whether there is a value
SELECT id FROM patients WHERE (ssn = '000-00-0000') IS NULL
--@ tried.refused.case: an error for those that have it
SELECT id FROM patients WHERE CASE WHEN ssn = '000-00-0000' THEN 1 / (id - id) = 1 ELSE true END
--@ tried.refused.range: a range by halves
SELECT id FROM patients WHERE ssn < '500-00-0000'
--@ tried.refused.between: a range
SELECT id FROM patients WHERE ssn BETWEEN '500-00-0000' AND '600-00-0000'
--@ tried.refused.prefix: its beginning
SELECT id FROM patients WHERE left(ssn, 3) = '500'
--@ tried.refused.row: a comparison of rows, which orders
SELECT id FROM patients WHERE (ssn, id) < ('500-00-0000', 1)
--@ tried.refused.row_equal: a comparison of rows
SELECT id FROM patients WHERE (ssn, id) = ('000-00-0000', 1)
--@ tried.refused.series: as many values as there are
SELECT p.id FROM patients p WHERE pin IN (SELECT * FROM generate_series(1, 1000000))
--@ tried.refused.series_join: the same by a join
SELECT p.id, i FROM patients p JOIN generate_series(1, 1000000) i ON p.pin = i
--@ tried.refused.values: values of rows
SELECT v.x FROM patients p, (VALUES ('000-00-0000'), ('111-11-1111')) v(x) WHERE p.ssn = v.x
--@ tried.refused.correlated: a value of each row of another relation
SELECT w.word FROM plain w WHERE EXISTS (SELECT FROM patients p WHERE p.name = w.word)
--@ tried.refused.exists: whether anybody has it, in every row
SELECT id, EXISTS (SELECT FROM patients WHERE ssn = '000-00-0000') FROM plain
--@ tried.refused.count: how many have it, in every row
SELECT id, (SELECT count(*) FROM patients WHERE ssn = '000-00-0000') FROM plain
--@ tried.refused.twice: once written, twice asked
WITH q AS (SELECT id FROM patients WHERE ssn = '000-00-0000') SELECT a.id FROM q a, q b
--@ tried.refused.filter: in an aggregate
SELECT count(*) FILTER (WHERE ssn = '000-00-0000') FROM patients
--@ tried.refused.output: as a column
SELECT id FROM patients ORDER BY ssn = '000-00-0000'
--@ tried.refused.self: with another row
SELECT a.id FROM patients a, patients b WHERE a.name = b.name AND a.id <> b.id
--@ tried.refused.made: a value that is made
SELECT id FROM patients WHERE ssn = '000' || '-00-0000'
--@ tried.refused.collation: by a rule of the agent's own
SELECT id FROM patients WHERE name = 'NOBODY' COLLATE "und-x-icu"
--@ tried.refused.cast: by a cast that fails for some
SELECT id FROM patients WHERE ssn::integer = 1
--@ tried.refused.float: by a cast of the column
SELECT id FROM patients WHERE balance = 1e308::float8
--@ tried.refused.parameter_type: by the type of a parameter
\bound '1' SELECT id FROM patients WHERE balance = $1 AND $1::float8 > 0
--@ tried.refused.shown: the value that was bound, beside it
\bound '000-00-0000' SELECT id, $1 FROM patients WHERE ssn = $1
--@ tried.refused.explain: by the estimates of a plan
EXPLAIN SELECT id FROM patients WHERE name = 'Nobody'
--@ tried.refused.explain_analyze: by what a plan counts
EXPLAIN (ANALYZE, COSTS OFF) SELECT id FROM patients WHERE name = 'Nobody'
--@ tried.refused.prepare: as often as one likes
PREPARE q AS SELECT id FROM patients WHERE ssn = $1
--@ tried.refused.execute: by SQL, of what messages prepared
\named q SELECT id FROM patients WHERE ssn = '000-00-0000'
\simple EXECUTE q
--@ tried.refused.cursor: by a cursor
BEGIN
\simple DECLARE c CURSOR FOR SELECT id FROM patients WHERE ssn = '000-00-0000'
--@ tried.refused.copy_or: copied out by a condition that holds anyway
COPY (SELECT id FROM patients WHERE ssn = '000-00-0000' OR true) TO STDOUT
--@ tried.refused.copy_change: copied out by what goes
COPY (DELETE FROM family WHERE secret = 'x' RETURNING id) TO STDOUT
--@ tried.refused.copy_program: copied to a program
COPY (SELECT id FROM patients WHERE ssn = '000-00-0000') TO PROGRAM 'cat'
--@ tried.refused.left_join: by an outer join, which shows who has it not
SELECT v.id, p.id FROM visits v LEFT JOIN patients p ON p.id = v.patient AND p.ssn = '000-00-0000'
--@ tried.refused.join_or: by a join that holds anyway
SELECT p.id FROM patients p JOIN plain w ON p.ssn = '000-00-0000' OR w.id = 1
--@ tried.refused.join_below: by a join below an outer one
SELECT w.id, p.id FROM plain w LEFT JOIN (patients p JOIN visits v ON p.ssn = '000-00-0000') ON w.id = p.id
--@ tried.refused.join_rows: by values of rows of the other side
SELECT p.id FROM patients p JOIN plain w ON p.name = w.word
--@ tried.refused.update: by what changes
UPDATE patients SET city = 'Elsewhere' WHERE ssn = '000-00-0000'
--@ tried.refused.delete: by what goes
DELETE FROM visits v USING patients p WHERE p.ssn = '000-00-0000' AND v.patient = p.id
--@ tried.refused.insert: kept for later
INSERT INTO plain SELECT id, city FROM patients WHERE ssn = '000-00-0000'
--@ tried.refused.table: the same in a relation of its own
CREATE TABLE found AS SELECT id FROM patients WHERE ssn = '000-00-0000'
--@ tried.refused.view: a question for others to ask
CREATE VIEW found AS SELECT id FROM patients WHERE ssn = '000-00-0000'
--@ tried.refused.lock: by what others wait for
SELECT id FROM patients WHERE ssn = '000-00-0000' FOR UPDATE
--@ tried.refused.sequence: by what lasts
SELECT pg_advisory_lock(id) FROM patients WHERE ssn = '000-00-0000'
--@ tried.refused.through_view: through a view
SELECT id FROM patient_view WHERE number = '000-00-0000'
--@ tried.refused.beside: beside another statement
SELECT 1; SELECT id FROM patients WHERE ssn = '000-00-0000'
--@ tried.refused.limit: more than an hour has
SELECT id FROM visits WHERE note IN ('a', 'b', 'c', 'd')
--@ tried.refused.year: on a column whose mask does not let it
SELECT id FROM patients WHERE born = '1900-01-01'
