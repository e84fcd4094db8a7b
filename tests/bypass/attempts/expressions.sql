-- Expressions over a masked column.
--@ expressions.concatenated: with an empty text
SELECT ssn || '' FROM patients
--@ expressions.cast: as another type
SELECT name::varchar FROM patients
--@ expressions.upper: in capitals
SELECT upper(name) FROM patients
--@ expressions.initcap: by words
SELECT initcap(lower(name)) FROM patients
--@ expressions.coalesce: COALESCE
SELECT coalesce(NULL, name) FROM patients
--@ expressions.greatest: GREATEST
SELECT greatest(name, '') FROM patients
--@ expressions.nullif: NULLIF
SELECT nullif(name, '') FROM patients
--@ expressions.case: CASE
SELECT CASE WHEN id > 0 THEN name ELSE city END FROM patients
--@ expressions.case_simple: CASE of a value
SELECT CASE id WHEN 1 THEN ssn END FROM patients
--@ expressions.collate: another collation
SELECT name COLLATE "C" FROM patients
--@ expressions.array: in an array
SELECT ARRAY[name, ssn] FROM patients
--@ expressions.subscript: out of an array
SELECT (ARRAY[name])[1] FROM patients
--@ expressions.tags: elements of a masked array
SELECT unnest(tags) FROM patients
--@ expressions.array_to_string: a masked array as a text
SELECT array_to_string(tags, '-') FROM patients
--@ expressions.json_key: a key of masked JSON
SELECT doc -> 'kin' ->> 'name' FROM patients
--@ expressions.json_path: a path of masked JSON
SELECT doc #>> '{kin,name}' FROM patients
--@ expressions.json_subscript: a subscript of masked JSON
SELECT doc['kin']['name'] FROM patients
--@ expressions.json_pretty: masked JSON printed
SELECT jsonb_pretty(doc) FROM patients
--@ expressions.json_build: in new JSON
SELECT json_build_object('k', ssn) FROM patients
--@ expressions.number: a number plus nothing
SELECT pin + 0 FROM patients
--@ expressions.number_char: a number by a picture
SELECT to_char(pin, 'FM9,999,999,999') FROM patients
--@ expressions.number_shifted: a number with a shifted point
SELECT balance / 1000 FROM patients
--@ expressions.number_money: a number as money
SELECT balance::money FROM patients
--@ expressions.hex_number: a number in hexadecimal digits is another form, and its digits one by one are not
SELECT (badge / power(10, i)::int) % 10 FROM patients, generate_series(8, 0, -1) i WHERE id = 1
--@ expressions.date: a date as a text
SELECT to_char(born, 'YYYYMMDD') FROM patients
--@ expressions.date_words: a date in another order of its parts
SELECT to_char(born, 'DD.MM.YYYY') FROM patients
--@ expressions.date_parts: the parts of a date in columns
SELECT extract(year FROM born), lpad(extract(month FROM born)::text, 2, '0'), lpad(extract(day FROM born)::text, 2, '0') FROM patients
--@ expressions.timestamp: a masked timestamp plus nothing
SELECT seen + interval '0 days' FROM patients
--@ expressions.uuid: a uuid as a text
SELECT replace(key::text, '-', '') FROM patients
--@ expressions.bytea: bytes in hexadecimal digits
SELECT photo || ''::bytea FROM patients
--@ expressions.bytea_escape: bytes as the old output has them
SET bytea_output = 'escape'; SELECT photo FROM patients
--@ expressions.quote: as a literal
SELECT quote_literal(name) FROM patients
--@ expressions.xml: as XML
SELECT xmlelement(name x, ssn) FROM patients
--@ expressions.xml_comment: in a comment of XML
SELECT xmlcomment(name) FROM patients
--@ expressions.tsvector: words of a full-text search
SELECT to_tsvector('simple', name) FROM patients
--@ expressions.ts_headline: marks of a full-text search
SELECT ts_headline('simple', name, 'x'::tsquery) FROM patients
--@ expressions.overlay: with one letter more
SELECT overlay(ssn placing '' from 1 for 0) FROM patients
--@ expressions.pad: padded
SELECT lpad(name, 40, '.') FROM patients
--@ expressions.scalar: a subquery in the list
SELECT (SELECT ssn FROM patients WHERE id = 1)
--@ expressions.array_subquery: an array of a subquery
SELECT ARRAY(SELECT name FROM patients)
--@ expressions.string_agg: all in one text
SELECT string_agg(name, ', ' ORDER BY id) FROM patients
--@ expressions.min: the least
SELECT min(name), max(ssn) FROM patients
--@ expressions.mode: the most frequent
SELECT mode() WITHIN GROUP (ORDER BY name) FROM patients
--@ expressions.percentile: the value in the middle
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ssn) FROM patients
--@ expressions.window: a value of a window
SELECT first_value(name) OVER (ORDER BY id) FROM patients
--@ expressions.range: the end of a range
SELECT upper(daterange(born, born + 1)) - 1 FROM patients
--@ expressions.domain: a domain of the agent's own
BEGIN
\simple CREATE DOMAIN mine AS text
\simple SELECT name::mine FROM patients
--@ expressions.composite: a type of the agent's own
BEGIN
\simple CREATE TYPE mine AS (x text)
\simple SELECT ROW(name)::mine FROM patients
