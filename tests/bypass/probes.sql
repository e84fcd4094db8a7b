-- Questions about a masked value whose answer, without masks, tells something of it. Where the proxy masks, each is refused, or
-- answered with NULL; where the database masks, each is asked of masked values, and the answer is another one.
--@ probes.like: a pattern
SELECT count(*) FROM patients WHERE ssn LIKE '912%'
--@ probes.regexp: a regular expression
SELECT count(*) FROM patients WHERE ssn ~ '^9.2-'
--@ probes.letter: one letter
SELECT count(*) FROM patients WHERE substr(name, 1, 1) = 'Z'
--@ probes.code: the code of a letter
SELECT count(*) FROM patients WHERE ascii(name) = 90
--@ probes.starts: how it starts
SELECT id FROM patients WHERE starts_with(name, 'Bro')
--@ probes.contains: what it contains
SELECT id FROM patients WHERE position('xmoor' IN name) > 0
--@ probes.length: how long it is
SELECT id FROM patients WHERE length(name) = 21
--@ probes.less: an order of texts
SELECT id FROM patients WHERE name < 'Brz' AND name > 'Bra'
--@ probes.between: an interval of dates
SELECT count(*) FROM patients WHERE born BETWEEN '1943-08-01' AND '1943-08-31'
--@ probes.month: a part of a date
SELECT count(*) FROM patients WHERE extract(month FROM born) = 8
--@ probes.number: an interval of numbers
SELECT count(*) FROM patients WHERE pin > 5000000000
--@ probes.remainder: a digit of a number
SELECT count(*) FROM patients WHERE badge % 10 = 3
--@ probes.in_list: in a list
SELECT count(*) FROM patients WHERE left(ssn, 3) IN ('912', '914')
--@ probes.any: in an array
SELECT count(*) FROM patients WHERE left(ssn, 3) = ANY (ARRAY['913'])
--@ probes.not: not a thing
SELECT count(*) FROM patients WHERE NOT name LIKE 'Zyx%' AND name LIKE '%Vux%'
--@ probes.json: a key of JSON
SELECT count(*) FROM patients WHERE doc ? 'kin'
--@ probes.json_path: a path of JSON
SELECT count(*) FROM patients WHERE doc @@ '$.kin.name starts with "Qui"'
--@ probes.array: an element of an array
SELECT count(*) FROM patients WHERE array_length(tags, 1) = 2
--@ probes.search: a word of a full-text search
SELECT count(*) FROM patients WHERE to_tsvector('simple', name) @@ 'zyxwa:*'
--@ probes.exists: EXISTS
SELECT EXISTS (SELECT 1 FROM patients WHERE ssn LIKE '%7731')
--@ probes.case: CASE
SELECT CASE WHEN ssn LIKE '912%' THEN 'yes' ELSE 'no' END FROM patients ORDER BY id
--@ probes.comparison: a comparison as a column
SELECT id, ssn > '912-9' FROM patients ORDER BY id
--@ probes.filter: FILTER
SELECT count(*) FILTER (WHERE name LIKE 'Zyx%') FROM patients
--@ probes.having: HAVING
SELECT city FROM patients GROUP BY city HAVING min(name) LIKE 'Zyx%'
--@ probes.join: a join's condition
SELECT q.id FROM plain q JOIN patients p ON p.id = q.id AND p.name LIKE 'Zyx%'
--@ probes.join_key: a join with a list of guesses
SELECT g FROM generate_series(910, 915) g JOIN patients p ON left(p.ssn, 3) = g::text ORDER BY g
--@ probes.order: the order of rows
SELECT id FROM patients ORDER BY name
--@ probes.order_limit: the first of an order
SELECT id FROM patients ORDER BY name LIMIT 1
--@ probes.order_case: an order by a condition
SELECT id FROM patients ORDER BY (name LIKE 'Zyx%')
--@ probes.rank: a place in an order
SELECT id, rank() OVER (ORDER BY name) FROM patients ORDER BY id
--@ probes.limit: as many rows as a condition says
SELECT i FROM generate_series(1, 9) i LIMIT (SELECT ascii(name) - 86 FROM patients WHERE id = 1)
--@ probes.series: as many rows as a digit says
SELECT i FROM generate_series(1, (SELECT (pin % 10)::int + 1 FROM patients WHERE id = 1)) i
--@ probes.sum: a sum of conditions
SELECT sum((name LIKE 'Zyx%')::int) FROM patients
--@ probes.division: divided by nothing where a condition holds
SELECT 1 / (CASE WHEN name LIKE 'Zyx%' THEN 0 ELSE 1 END) FROM patients WHERE id = 1
--@ probes.cast: an error where a condition holds
SELECT CASE WHEN name LIKE 'Bro%' THEN (city || 'x')::integer ELSE 1 END FROM patients WHERE id = 2
--@ probes.update: how many rows change
BEGIN; UPDATE plain SET word = 'x' FROM patients p WHERE p.name LIKE 'Zyx%'
--@ probes.update_masked: how many rows of the masked relation change
BEGIN; UPDATE visits SET day = day FROM patients p WHERE p.name LIKE 'Zyx%'
--@ probes.delete: how many rows go
BEGIN; DELETE FROM plain USING patients p WHERE p.id = plain.id AND p.ssn LIKE '912%'
--@ probes.insert: how many rows come
BEGIN; INSERT INTO plain SELECT id, 'x' FROM patients WHERE name LIKE 'Zyx%'
--@ probes.explain: how many rows a plan saw
EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off, BUFFERS off) SELECT 1 FROM patients WHERE name LIKE 'Zyx%'
--@ probes.view: through the view
SELECT count(*) FROM patient_view WHERE number LIKE '912%'
--@ probes.cte: through a common table expression
WITH q AS (SELECT id, name AS n FROM patients) SELECT count(*) FROM q WHERE n LIKE 'Zyx%'
--@ probes.subquery: through a subquery
SELECT count(*) FROM plain WHERE id IN (SELECT id FROM patients WHERE name LIKE 'Zyx%')
--@ probes.row: through the row
SELECT count(*) FROM patients p WHERE p::text LIKE '%Zyx%'
--@ probes.json_row: through the row as JSON
SELECT count(*) FROM patients p WHERE to_jsonb(p) ->> 'name' LIKE 'Zyx%'
--@ probes.partition: of a partition
SELECT count(*) FROM visits_2024 WHERE note LIKE 'Gry%'
--@ probes.child: of a child
SELECT count(*) FROM family_child WHERE secret LIKE 'Oce%'
--@ probes.bound: with a parameter
\bound 'Zyx%' SELECT count(*) FROM patients WHERE name LIKE $1
--@ probes.cursor: in a cursor
BEGIN; DECLARE c CURSOR FOR SELECT id FROM patients WHERE name LIKE 'Zyx%'; FETCH ALL FROM c
--@ probes.copy: in a COPY
COPY (SELECT id FROM patients WHERE name LIKE 'Zyx%') TO STDOUT
--@ probes.setop: in a set operation
SELECT name LIKE 'Zyx%' FROM patients UNION SELECT false ORDER BY 1
--@ probes.view_where: a condition on a column of a view
SELECT count(*) FROM patient_view WHERE number LIKE '912%'
--@ probes.view_chosen: whom a view has chosen by a value
SELECT id FROM chosen_view
--@ probes.view_fails: whether what a view computes fails
SELECT part IS NULL FROM number_view WHERE id = 2
--@ probes.view_order: the order of a view's rows
SELECT id FROM patient_view ORDER BY who LIMIT 1
--@ probes.null_of_case: whether there is something where there is something of a kind
SELECT id FROM patients WHERE (CASE WHEN name LIKE 'Z%' THEN name END) IS NULL
--@ probes.null_of_nullif: whether nothing is left without a length
SELECT nullif(length(name), 21) IS NULL FROM patients WHERE id = 1
--@ probes.null_of_query: whether a query finds something
SELECT id FROM patients p WHERE (SELECT q.ssn FROM patients q WHERE q.id = p.id AND q.name < 'C') IS NULL
--@ probes.null_of_lateral: whether there is something beside a row
SELECT q.x IS NULL FROM patients p LEFT JOIN LATERAL (SELECT p.ssn AS x WHERE p.name LIKE 'Z%') q ON true WHERE p.id = 1
--@ probes.null_of_join: whether an outer join finds something
SELECT q.name IS NULL FROM patients p LEFT JOIN patients q ON q.id = p.id AND q.ssn LIKE '912%' WHERE p.id = 1
--@ probes.null_of_element: whether a document has a key
SELECT id FROM patients WHERE doc -> 'kin' IS NOT NULL
--@ probes.null_of_least: whether the least of two is nothing
SELECT id FROM patients WHERE nullif(least(name, 'M'), 'M') IS NULL
