-- Clauses, types and functions that are seldom used, each of which shows what it is given, in a row or in an error.
--@ oddities.grouping_sets: groups by several sets
SELECT ssn, name, count(*) FROM patients GROUP BY GROUPING SETS ((ssn), (name))
--@ oddities.cube: groups by all of them
SELECT coalesce(name, 'all'), count(*) FROM patients GROUP BY CUBE (name, city)
--@ oddities.rollup_view: groups over a view
SELECT who, grouping(who) FROM patient_view GROUP BY ROLLUP (who)
--@ oddities.with_ties: the first row and its equals
SELECT name FROM patients ORDER BY ssn FETCH FIRST 1 ROW WITH TIES
--@ oddities.frame: the frame of a window
SELECT first_value(name) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM patients
--@ oddities.frame_exclude: a frame that leaves a row out
SELECT string_agg(ssn, ',') OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW) FROM patients
--@ oddities.nth: a value of a named window
SELECT nth_value(ssn, 2) OVER w FROM patients WINDOW w AS (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
--@ oddities.lag_default: what stands for a row that there is not
SELECT lag(ssn, 1, name::varchar) OVER (ORDER BY id) FROM patients
--@ oddities.range: a range of dates
SELECT daterange(born, NULL) FROM patients
--@ oddities.range_number: a range of numbers
SELECT numrange(balance, balance, '[]'), lower(int8range(pin, NULL)) FROM patients
--@ oddities.multirange: ranges together
SELECT range_agg(daterange(born, born, '[]')) FROM patients
--@ oddities.range_error: a range that is none
SELECT ('[' || name || ',)')::int4range FROM patients
--@ oddities.xmltable: XML as rows
SELECT x.n FROM patients p, xmltable('/r' PASSING xmlelement(NAME r, p.name) COLUMNS n text PATH '.') x
--@ oddities.xml_attributes: attributes of XML
SELECT xmlelement(NAME a, xmlattributes(ssn AS n)) FROM patients
--@ oddities.xpath: a path of XML
SELECT xpath('/a/text()', ('<a>' || name || '</a>')::xml) FROM patients
--@ oddities.json_path: the first that a path finds
SELECT jsonb_path_query_first(to_jsonb(p), '$.ssn') FROM patients p
--@ oddities.json_path_deep: everything in a document
SELECT jsonb_path_query_array(doc, 'lax $.**') FROM patients
--@ oddities.json_error: a document that is none
SELECT ('{"a": ' || name || '}')::json FROM patients
--@ oddities.json_keys: values as keys
SELECT jsonb_object_agg(ssn, name) FROM patients
--@ oddities.json_rows: a document as rows
SELECT * FROM json_to_recordset((SELECT json_agg(p) FROM patients p)) AS x(name text, ssn text)
--@ oddities.rows_from: several functions side by side
SELECT * FROM ROWS FROM (unnest(ARRAY(SELECT name FROM patients)), generate_series(1, 2)) AS x(a, b)
--@ oddities.composite: a type of several parts
BEGIN; CREATE TYPE pair AS (a text, b text); SELECT (ROW(name, ssn)::pair).b FROM patients
--@ oddities.record_array: an array of rows
SELECT (array_agg(ROW(name, ssn)))[1] FROM patients
--@ oddities.domain: a domain
BEGIN; CREATE DOMAIN word AS text; SELECT name::word FROM patients
--@ oddities.generated: a generated column
BEGIN; CREATE TEMP TABLE made (n text, u text GENERATED ALWAYS AS (upper(n)) STORED); INSERT INTO made SELECT name FROM patients; SELECT u FROM made
--@ oddities.like_table: a table like it
BEGIN; CREATE TEMP TABLE made (LIKE patients INCLUDING ALL); INSERT INTO made TABLE patients; TABLE made
--@ oddities.list_partition: a row that no partition takes
BEGIN; CREATE TEMP TABLE parted (n text) PARTITION BY LIST (n); INSERT INTO parted SELECT name FROM patients
--@ oddities.exclusion: a row that another one excludes
BEGIN; CREATE TEMP TABLE sole (n text, EXCLUDE USING btree (n WITH =)); INSERT INTO sole SELECT name FROM patients, generate_series(1, 2)
--@ oddities.merge_into_self: a merge of the relation with itself
BEGIN; MERGE INTO patients p USING patients q ON p.id = q.id WHEN MATCHED THEN UPDATE SET city = q.name; SELECT city FROM patients
--@ oddities.merge_error: a merge that inserts what is there
MERGE INTO patients p USING patients q ON p.id = q.id + 100 WHEN NOT MATCHED THEN INSERT (id, name, ssn, born, city) VALUES (q.id + 7, q.name, q.ssn, q.born, q.city)
--@ oddities.scroll: a cursor that goes back
BEGIN; DECLARE c SCROLL CURSOR FOR SELECT name, ssn FROM patients; FETCH LAST FROM c; FETCH RELATIVE -1 FROM c; FETCH BACKWARD ALL FROM c
--@ oddities.mode: what is most frequent
SELECT mode() WITHIN GROUP (ORDER BY ssn) FROM patients
--@ oddities.percentile: what stands at a place of an order
SELECT percentile_disc(ARRAY[0, 1]) WITHIN GROUP (ORDER BY name) FROM patients
--@ oddities.distinct_aggregate: different values in one
SELECT string_agg(DISTINCT name, ',' ORDER BY name) FROM patients
--@ oddities.search_clause: the order of a recursion
WITH RECURSIVE t(id, name) AS (SELECT id, name FROM patients WHERE id = 1 UNION ALL SELECT p.id, p.name FROM patients p JOIN t ON p.id = t.id + 1) SEARCH DEPTH FIRST BY name SET o SELECT o FROM t
--@ oddities.cycle_clause: the path of a recursion
WITH RECURSIVE t(id, name) AS (SELECT id, name FROM patients WHERE id = 1 UNION ALL SELECT p.id, p.name FROM patients p JOIN t ON p.id = t.id + 1) CYCLE name SET c USING path SELECT path FROM t
--@ oddities.sample: a sample of rows
SELECT name FROM patients TABLESAMPLE BERNOULLI (100) REPEATABLE (1)
--@ oddities.skip_locked: rows that nobody holds
BEGIN; SELECT name FROM patients FOR NO KEY UPDATE SKIP LOCKED
--@ oddities.headline: a text with marks
SELECT ts_headline('simple', name, 'x') FROM patients
--@ oddities.lexemes: words of a text
SELECT tsvector_to_array(to_tsvector('simple', name)) FROM patients
--@ oddities.parsed: a text in parts
SELECT (ts_parse('default', name)).token FROM patients
--@ oddities.query_error: a search that is none
SELECT to_tsquery('simple', name || ' &') FROM patients
--@ oddities.regclass: a relation of that name
SELECT ('"' || name || '"')::regclass FROM patients
--@ oddities.regtype: a type of that name
SELECT ('"' || name || '"')::regtype FROM patients
--@ oddities.size: a size
SELECT pg_size_bytes(name) FROM patients
--@ oddities.zone: a time zone
SELECT timezone(name, now()) FROM patients
--@ oddities.encoding: an encoding
SELECT convert_from('x', name::name) FROM patients
--@ oddities.digits: a way to write bytes
SELECT encode('x', name) FROM patients
--@ oddities.unit: a unit of time
SELECT date_trunc(name, now()) FROM patients
--@ oddities.setting: a setting
SELECT current_setting(name) FROM patients
--@ oddities.sequence: a sequence
SELECT nextval('"' || name || '"') FROM patients
--@ oddities.privilege: a right
SELECT has_table_privilege('patients', name) FROM patients
--@ oddities.role: a role
SELECT has_schema_privilege(name::name, 'public', 'USAGE') FROM patients
--@ oddities.bytes: bytes one by one
SELECT chr(get_byte(photo, i)) FROM patients, generate_series(0, 12) i WHERE id = 1 ORDER BY i
--@ oddities.average: the mean of one
SELECT avg(balance), sum(pin), bit_or(pin) FROM patients WHERE id = 1
--@ oddities.natural: a join that names nothing
SELECT * FROM patients NATURAL JOIN (SELECT name AS city, ssn AS card FROM patients) q RIGHT JOIN patients r ON true
--@ oddities.prepared_plan: a plan with a value in it
PREPARE q (text) AS SELECT name FROM patients WHERE city <> $1; EXPLAIN (ANALYZE, VERBOSE) EXECUTE q ('x'); EXECUTE q ('x')
--@ oddities.array_error: an array that is none
SELECT ('{{' || name || '},a}')::int[] FROM patients
--@ oddities.interval_error: a time that is none
SELECT name::interval FROM patients
--@ oddities.point_error: a point that is none
SELECT name::point FROM patients
--@ oddities.address: an address that is none
SELECT name::inet FROM patients
