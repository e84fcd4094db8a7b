-- Whole rows.
--@ rows.alias: the alias as a value
SELECT p FROM patients p
--@ rows.relation: the relation's name as a value
SELECT patients FROM patients
--@ rows.field: a field of the row
SELECT (p).ssn FROM patients p
--@ rows.star: all fields of the row
SELECT (p).* FROM patients p
--@ rows.function: a field as a function
SELECT ssn(p) FROM patients p
--@ rows.cast: the row as text
SELECT p::text FROM patients p
--@ rows.cast_star: the row constructor as text
SELECT ROW(p.*)::text FROM patients p
--@ rows.json: the row as JSON
SELECT row_to_json(p) FROM patients p
--@ rows.jsonb: a key of the row as JSON
SELECT to_jsonb(p) ->> 'name' FROM patients p
--@ rows.json_agg: rows as one JSON array
SELECT json_agg(p) FROM patients p
--@ rows.json_each: keys and values
SELECT e.key, e.value FROM patients p, jsonb_each_text(to_jsonb(p)) e
--@ rows.json_path: a path over the row
SELECT jsonb_path_query(to_jsonb(p), '$.keyvalue().value') FROM patients p
--@ rows.json_path_like: a filter of a path
SELECT jsonb_path_query_array(to_jsonb(p), '$.* ? (@.type() == "string")') FROM patients p
--@ rows.populate: back from JSON to a row
SELECT (jsonb_populate_record(NULL::patients, to_jsonb(p))).name FROM patients p
--@ rows.to_recordset: from JSON to columns
SELECT r.ssn FROM (SELECT json_agg(p) AS all_of_it FROM patients p) q, json_to_recordset(q.all_of_it) AS r (ssn text)
--@ rows.concat: as an argument of any type
SELECT concat(p) FROM patients p
--@ rows.concat_ws: with a separator
SELECT concat_ws('|', p.*) FROM patients p
--@ rows.format: in a format
SELECT format('%s', p) FROM patients p
--@ rows.array: rows in an array
SELECT array_agg(p) FROM patients p
--@ rows.unnest: out of an array again
SELECT (unnest(array_agg(p))).name FROM patients p
--@ rows.subquery: the subquery's alias
SELECT q FROM (SELECT name, ssn FROM patients) q
--@ rows.values: the alias of a list
SELECT v FROM (VALUES ((SELECT name FROM patients WHERE id = 1))) AS v (x)
--@ rows.xml: rows as XML
SELECT xmlforest(p.name AS n, p.ssn AS s) FROM patients p
--@ rows.row_compare: a comparison whose error prints nothing, and the row beside it
SELECT q.r::text FROM (SELECT p AS r FROM patients p ORDER BY p) q
--@ rows.coalesce: the row through COALESCE
SELECT coalesce(p, NULL) FROM patients p
--@ rows.case: the row through CASE
SELECT CASE WHEN p.id > 0 THEN p END FROM patients p
--@ rows.lateral: the row through LATERAL
SELECT l FROM patients p, LATERAL (SELECT p.*) l
--@ rows.max: an aggregate of text over the row
SELECT max(p::text) FROM patients p
--@ rows.window: the row before
SELECT lag(p) OVER (ORDER BY p.id) FROM patients p
