-- What reporting pipelines ask every day; it touches masked columns, and shall be masked and not refused.
--@ ordinary.star: all columns
SELECT * FROM patients
--@ ordinary.columns: some columns
SELECT id, name, city FROM patients
--@ ordinary.alias: aliases for columns
SELECT name AS patient, ssn AS number FROM patients
--@ ordinary.qualified: whole names
SELECT public.patients.name FROM public.patients
--@ ordinary.table_alias: an alias for the relation
SELECT p.name, p.city FROM patients p WHERE p.city = 'Ulm'
--@ ordinary.where: a condition on an open column
SELECT name, born FROM patients WHERE id = 1
--@ ordinary.order: in the order of an open column
SELECT name, city FROM patients ORDER BY city
--@ ordinary.limit: a page
SELECT name FROM patients ORDER BY id LIMIT 1 OFFSET 1
--@ ordinary.table: the TABLE command
TABLE patients
--@ ordinary.join: a join
SELECT p.name, v.day FROM patients p JOIN visits v ON v.patient = p.id
--@ ordinary.left_join: an outer join
SELECT p.name, v.note FROM patients p LEFT JOIN visits v ON v.patient = p.id
--@ ordinary.join_using: a join by a name
SELECT id, name, word FROM patients JOIN plain USING (id)
--@ ordinary.self_join: a join with itself
SELECT a.name, b.name FROM patients a JOIN patients b ON b.id = a.id
--@ ordinary.cross_star: all columns of a join
SELECT * FROM patients p JOIN plain q ON q.id = p.id
--@ ordinary.exists: EXISTS
SELECT name FROM patients p WHERE EXISTS (SELECT 1 FROM visits v WHERE v.patient = p.id)
--@ ordinary.in: IN
SELECT name FROM patients WHERE id IN (SELECT id FROM plain)
--@ ordinary.cte: a common table expression
WITH p AS (SELECT id, name, city FROM patients) SELECT * FROM p WHERE city = 'Ulm'
--@ ordinary.cte_join: two of them
WITH p AS (SELECT id, name FROM patients), v AS (SELECT patient, count(*) AS visits FROM visits GROUP BY patient) SELECT p.name, v.visits FROM p JOIN v ON v.patient = p.id
--@ ordinary.subquery: a subquery in FROM
SELECT q.name FROM (SELECT name, city FROM patients) q
--@ ordinary.scalar: a scalar subquery
SELECT word, (SELECT name FROM patients p WHERE p.id = plain.id) FROM plain
--@ ordinary.union: UNION
SELECT name FROM patients UNION SELECT word FROM plain
--@ ordinary.union_all: UNION ALL
SELECT id, name FROM patients UNION ALL SELECT id, word FROM plain
--@ ordinary.except: EXCEPT
SELECT word FROM plain EXCEPT SELECT name FROM patients
--@ ordinary.view: a view
SELECT * FROM patient_view
--@ ordinary.view_column: columns of a view
SELECT who, city FROM patient_view WHERE id = 1
--@ ordinary.view_aggregate: a view that counts
SELECT * FROM city_view ORDER BY city
--@ ordinary.view_computed: a view that computes
SELECT * FROM letter_view ORDER BY id
--@ ordinary.view_joined: a view of a join
SELECT city, day, note FROM visit_view WHERE day > '2024-01-01'
--@ ordinary.view_union: a view of several relations
SELECT * FROM union_view ORDER BY id
--@ ordinary.view_changed: a change through a view
BEGIN; UPDATE patient_view SET city = 'Jena' WHERE id = 2 RETURNING id, who, city; ROLLBACK
--@ ordinary.count: a count
SELECT count(*) FROM patients
--@ ordinary.count_column: a count of a masked column
SELECT count(name) FROM patients
--@ ordinary.count_distinct: a count of different values
SELECT count(DISTINCT ssn) FROM patients
--@ ordinary.group: groups by an open column
SELECT city, count(*) FROM patients GROUP BY city ORDER BY city
--@ ordinary.group_masked: groups by a masked column
SELECT name, count(*) FROM patients GROUP BY name
--@ ordinary.min_max: the first and the last date
SELECT min(born), max(born) FROM patients
--@ ordinary.string_agg: texts in one
SELECT city, string_agg(name, ', ') FROM patients GROUP BY city
--@ ordinary.distinct: different values
SELECT DISTINCT city, name FROM patients
--@ ordinary.window: a window
SELECT name, row_number() OVER (ORDER BY id) FROM patients
--@ ordinary.upper: in capitals
SELECT upper(name) FROM patients
--@ ordinary.concatenated: put together
SELECT city || ': ' || name FROM patients
--@ ordinary.coalesce: a value for nothing
SELECT coalesce(phone, 'none') FROM patients
--@ ordinary.case: by cases
SELECT id, CASE WHEN email IS NULL THEN 'no' ELSE 'yes' END FROM patients
--@ ordinary.date_part: the year of a date
SELECT extract(year FROM born) FROM patients
--@ ordinary.to_char: a date by a picture
SELECT to_char(born, 'YYYY') FROM patients
--@ ordinary.cast: as a text
SELECT pin::text FROM patients
--@ ordinary.json_row: rows as JSON
SELECT row_to_json(p) FROM patients p
--@ ordinary.json_key: a key of JSON
SELECT doc ->> 'kin' FROM patients
--@ ordinary.json_agg: one JSON document
SELECT json_agg(json_build_object('id', id, 'city', city)) FROM patients
--@ ordinary.equality: an exact value
SELECT id FROM patients WHERE email = 'nobody@nowhere.example'
--@ ordinary.is_null: what is not there
SELECT count(*) FROM patients WHERE email IS NULL
--@ ordinary.lateral: LATERAL
SELECT p.name, l.day FROM patients p, LATERAL (SELECT day FROM visits v WHERE v.patient = p.id ORDER BY day DESC LIMIT 1) l
--@ ordinary.partition: the partitioned relation
SELECT note, day FROM visits
--@ ordinary.inherited: a relation with a child
SELECT secret FROM family
--@ ordinary.partition_alone: a partition
SELECT id, note FROM visits_2024
--@ ordinary.child: a child
SELECT secret, more FROM family_child
--@ ordinary.cursor: a cursor
BEGIN; DECLARE c CURSOR FOR SELECT name FROM patients; FETCH ALL FROM c; COMMIT
--@ ordinary.cursor_hold: a cursor that holds
DECLARE c CURSOR WITH HOLD FOR SELECT * FROM patients; FETCH 1 FROM c; CLOSE c
--@ ordinary.copy: a copy of the relation
COPY patients TO STDOUT
--@ ordinary.copy_columns: a copy of columns
COPY patients (id, name) TO STDOUT WITH (FORMAT csv, HEADER)
--@ ordinary.copy_query: a copy of a query
COPY (SELECT id, name FROM patients) TO STDOUT
--@ ordinary.prepared: a prepared statement
PREPARE q (int) AS SELECT name FROM patients WHERE id = $1; EXECUTE q (1)
--@ ordinary.extended: the extended protocol
\extended SELECT name, city FROM patients
--@ ordinary.bound: a bound parameter
\bound 'Ulm' SELECT name FROM patients WHERE city = $1
--@ ordinary.binary: binary formats
\binary SELECT id, name, born FROM patients
--@ ordinary.binary_star: all columns in binary formats
\binary SELECT * FROM patients
--@ ordinary.pages: a page at a time
\rows 1 SELECT name FROM patients
--@ ordinary.pipeline: a pipeline
\pipeline BEGIN ;; SELECT name FROM patients ;; COMMIT
--@ ordinary.update: a change of an open column
BEGIN; UPDATE visits SET day = day + 1 WHERE id = 1; ROLLBACK
--@ ordinary.update_returning: a change that gives back
BEGIN; UPDATE patients SET city = 'Jena' WHERE id = 2 RETURNING id, name; ROLLBACK
--@ ordinary.insert: an insert
BEGIN; INSERT INTO family VALUES (9, 'new'); ROLLBACK
--@ ordinary.insert_select: an insert of rows of an open column
BEGIN; INSERT INTO plain SELECT id, city FROM patients; ROLLBACK
--@ ordinary.create_as: a table of a query
BEGIN
\simple CREATE TABLE made AS SELECT id, name FROM patients
\simple SELECT * FROM made
\simple ROLLBACK
--@ ordinary.explain: a plan
EXPLAIN SELECT name FROM patients WHERE id = 1
--@ ordinary.function: a function of the database
SELECT ssn_of(1)
--@ ordinary.update_masked: a change of a masked column that gives back
BEGIN; UPDATE patients SET email = 'new@nowhere.example' WHERE id = 2 RETURNING id, name, email; ROLLBACK
--@ ordinary.update_masked_star: the whole row
BEGIN; UPDATE patients SET phone = 'none', city = 'Jena' WHERE id = 2 RETURNING *; ROLLBACK
--@ ordinary.insert_masked: an insert that gives back
BEGIN; INSERT INTO family VALUES (9, 'new') RETURNING *; ROLLBACK
--@ ordinary.upsert: an insert, or a change of the row that is there
BEGIN
\simple INSERT INTO patients (id, name, ssn, born, city) VALUES (2, 'New', '000-00-0000', '2000-01-01', 'Jena') ON CONFLICT (id) DO UPDATE SET email = 'none', city = excluded.city RETURNING id, name, city
\simple ROLLBACK
--@ ordinary.delete_returning: removed rows
BEGIN; DELETE FROM visits WHERE id = 1 RETURNING *; ROLLBACK
--@ ordinary.bound_update: a change by a parameter
BEGIN
\bound 'new@nowhere.example' UPDATE patients SET email = $1 WHERE id = 2 RETURNING id, email
