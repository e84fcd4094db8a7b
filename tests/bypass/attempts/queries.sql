-- Shapes of queries.
--@ queries.subquery: out of a subquery
SELECT x FROM (SELECT ssn AS x FROM patients) q
--@ queries.cte: out of a common table expression
WITH q AS (SELECT ssn AS x FROM patients) SELECT x FROM q
--@ queries.cte_materialized: out of a materialized one
WITH q AS MATERIALIZED (SELECT * FROM patients) SELECT name FROM q
--@ queries.recursive: out of a recursive one
WITH RECURSIVE q (x) AS (SELECT name FROM patients UNION SELECT x FROM q) SELECT x FROM q
--@ queries.union: after rows of an open column
SELECT word FROM plain UNION SELECT name FROM patients
--@ queries.union_all: before them
SELECT name FROM patients UNION ALL SELECT word FROM plain
--@ queries.intersect: both times
SELECT name FROM patients INTERSECT SELECT name FROM patients
--@ queries.except: without nothing
SELECT ssn FROM patients EXCEPT SELECT word FROM plain
--@ queries.values: a list
VALUES ((SELECT name FROM patients WHERE id = 1))
--@ queries.correlated: a correlated subquery
SELECT (SELECT ssn FROM patients p WHERE p.id = plain.id) FROM plain
--@ queries.lateral: LATERAL
SELECT x FROM plain q, LATERAL (SELECT name AS x FROM patients p WHERE p.id = q.id) l
--@ queries.lateral_function: a function over the row in FROM
SELECT x FROM patients p, LATERAL upper(p.name) x
--@ queries.rows_from: a function over the row in ROWS FROM
SELECT x FROM patients p, ROWS FROM (unnest(ARRAY[p.name]), generate_series(1, 2)) AS t (x, y)
--@ queries.join_using: a join over the column
SELECT ssn FROM patients JOIN (SELECT ssn FROM patients) q USING (ssn)
--@ queries.join_natural: a natural join
SELECT name FROM patients NATURAL JOIN (SELECT id, name FROM patients) q
--@ queries.full_join: the merged column of a full join
SELECT name FROM (SELECT 'x' AS name) q FULL JOIN patients USING (name)
--@ queries.self_join: with itself
SELECT a.name, b.ssn FROM patients a, patients b WHERE a.id = b.id
--@ queries.group: a group by the column
SELECT name, count(*) FROM patients GROUP BY name
--@ queries.grouping_sets: sets of groups
SELECT name, city FROM patients GROUP BY GROUPING SETS ((name), (city))
--@ queries.rollup: ROLLUP
SELECT ssn FROM patients GROUP BY ROLLUP (ssn)
--@ queries.group_place: a group by its place
SELECT name FROM patients GROUP BY 1
--@ queries.distinct: DISTINCT
SELECT DISTINCT name FROM patients
--@ queries.distinct_on: DISTINCT ON
SELECT DISTINCT ON (ssn) ssn FROM patients
--@ queries.order: in the order of the column
SELECT name FROM patients ORDER BY name
--@ queries.having: a condition over groups
SELECT max(name) FROM patients GROUP BY id HAVING max(name) > ''
--@ queries.window_partition: a window by the column
SELECT name, rank() OVER (PARTITION BY ssn ORDER BY name) FROM patients
--@ queries.window_clause: a window with a name
SELECT last_value(ssn) OVER w FROM patients WINDOW w AS (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
--@ queries.exists: beside an EXISTS
SELECT name FROM patients p WHERE EXISTS (SELECT 1 FROM visits v WHERE v.patient = p.id)
--@ queries.for_update: with a lock
SELECT name FROM patients FOR UPDATE
--@ queries.limit: with a limit of a subquery
SELECT name FROM patients ORDER BY id LIMIT (SELECT 1)
--@ queries.join_child: joined with its own child
SELECT f.secret FROM family f JOIN family_child c ON c.id = f.id
--@ queries.join_visits: joined with its partition
SELECT v.note, p.ssn FROM visits_2024 v JOIN patients p ON p.id = v.patient
--@ queries.through_key: through the foreign key
SELECT c.patient_ssn FROM charges c
--@ queries.setop_in_subquery: a set operation in a subquery
SELECT x FROM (SELECT city AS x FROM patients UNION ALL SELECT name FROM patients) q
--@ queries.nested: five subqueries
SELECT e FROM (SELECT d AS e FROM (SELECT c AS d FROM (SELECT b AS c FROM (SELECT a AS b FROM (SELECT name AS a FROM patients) q1) q2) q3) q4) q5
--@ queries.cte_shadows: a common table expression with the name of another relation
WITH plain AS (SELECT id, name AS word FROM patients) SELECT word FROM plain
--@ queries.cte_search: a search order of a recursion, which holds rows
WITH RECURSIVE q (n) AS (SELECT name FROM patients UNION ALL SELECT n FROM q WHERE false) SEARCH DEPTH FIRST BY n SET path SELECT path FROM q
--@ queries.cte_cycle: the path of a cycle
WITH RECURSIVE q (n) AS (SELECT name FROM patients UNION ALL SELECT n FROM q) CYCLE n SET again USING path SELECT path FROM q
--@ queries.two_statements: two statements in one message
SELECT 1; SELECT name FROM patients
--@ queries.two_statements_first: the other way round
SELECT name FROM patients; SELECT 1
--@ queries.savepoint: after a savepoint
BEGIN; SAVEPOINT a; SELECT name FROM patients; ROLLBACK TO a; COMMIT
--@ queries.xmltable: a row out of XML of the column
SELECT t.x FROM patients p, XMLTABLE('/a' PASSING xmlparse(CONTENT '<a>' || p.name || '</a>') COLUMNS x text PATH 'text()') t
