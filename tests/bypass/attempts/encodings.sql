-- The value in another form.
--@ encodings.reversed: backwards
SELECT reverse(name) FROM patients
--@ encodings.hex: in hexadecimal digits
SELECT encode(name::bytea, 'hex') FROM patients
--@ encodings.hex_reversed: backwards and in hexadecimal digits
SELECT encode(reverse(ssn)::bytea, 'hex') FROM patients
--@ encodings.hex_bytes: each byte in hexadecimal digits
SELECT string_agg(to_hex(get_byte(name::bytea, i)), ' ' ORDER BY i) FROM patients, generate_series(0, 9) i WHERE id = 1
--@ encodings.base64: in base64
SELECT encode(convert_to(name, 'UTF8'), 'base64') FROM patients
--@ encodings.base64_shift_one: in base64 after one byte
SELECT encode(('x' || ssn)::bytea, 'base64') FROM patients
--@ encodings.base64_shift_two: in base64 after two bytes
SELECT encode(('xy' || ssn)::bytea, 'base64') FROM patients
--@ encodings.base64_reversed: backwards in base64
SELECT encode(reverse(name)::bytea, 'base64') FROM patients
--@ encodings.escape: in the old escape format, letter by letter in octal digits
SELECT string_agg('\' || lpad(to_number_octal, 3, '0'), '' ORDER BY i) FROM (SELECT i, (ascii(substr(name, i, 1)) / 64)::text || ((ascii(substr(name, i, 1)) / 8) % 8)::text || (ascii(substr(name, i, 1)) % 8)::text AS to_number_octal FROM patients, generate_series(1, 10) i WHERE id = 1) q
--@ encodings.codes: the codes of its letters, one to a row
SELECT ascii(substr(name, i, 1)) FROM patients, generate_series(1, 10) i WHERE id = 1 ORDER BY i
--@ encodings.codes_joined: the codes of its letters in one text
SELECT string_agg(ascii(substr(name, i, 1))::text, ',' ORDER BY i) FROM patients, generate_series(1, 10) i WHERE id = 1
--@ encodings.codes_without_space: the codes of its letters without anything between
SELECT string_agg(lpad(ascii(substr(name, i, 1))::text, 3, '0'), '' ORDER BY i) FROM patients, generate_series(1, 10) i WHERE id = 1
--@ encodings.codes_backwards: the codes of its letters from the last to the first
SELECT ascii(substr(name, i, 1)) FROM patients, generate_series(10, 1, -1) i WHERE id = 1
--@ encodings.bits: in bits
SELECT string_agg(ascii(substr(name, i, 1))::bit(8)::text, ' ' ORDER BY i) FROM patients, generate_series(1, 10) i WHERE id = 1
--@ encodings.letters: one letter to a row
SELECT substr(name, i, 1) FROM patients, generate_series(1, 10) i WHERE id = 1 ORDER BY i
--@ encodings.letters_with_place: one letter to a row, beside its place
SELECT i, substr(name, i, 1) FROM patients, generate_series(1, 10) i WHERE id = 1 ORDER BY i
--@ encodings.letters_shuffled: one letter to a row in any order, beside its place
SELECT i, substr(name, i, 1) FROM patients, generate_series(1, 10) i WHERE id = 1 ORDER BY (i * 7) % 11
--@ encodings.letters_backwards: one letter to a row, from the last
SELECT substr(name, i, 1) FROM patients, generate_series(10, 1, -1) i WHERE id = 1
--@ encodings.letters_split: by an empty pattern
SELECT regexp_split_to_table(name, '') FROM patients
--@ encodings.letters_array: letters in an array
SELECT string_to_array(ssn, NULL) FROM patients
--@ encodings.columns: one letter to a column
SELECT substr(name, 1, 1), substr(name, 2, 1), substr(name, 3, 1), substr(name, 4, 1), substr(name, 5, 1), substr(name, 6, 1), substr(name, 7, 1), substr(name, 8, 1), substr(name, 9, 1), substr(name, 10, 1) FROM patients WHERE id = 1
--@ encodings.statements: one letter to a statement
SELECT substr(name, 1, 1) FROM patients WHERE id = 1
\simple SELECT substr(name, 2, 1) FROM patients WHERE id = 1
\simple SELECT substr(name, 3, 1) FROM patients WHERE id = 1
\simple SELECT substr(name, 4, 1) FROM patients WHERE id = 1
\simple SELECT substr(name, 5, 1) FROM patients WHERE id = 1
\simple SELECT substr(name, 6, 1) FROM patients WHERE id = 1
\simple SELECT substr(name, 7, 1) FROM patients WHERE id = 1
--@ encodings.halves: in two halves
SELECT left(name, 5), substr(name, 6) FROM patients
--@ encodings.separated: with a sign after every letter
SELECT regexp_replace(ssn, '(.)', '\1_', 'g') FROM patients
--@ encodings.split_part: by its own separators
SELECT split_part(ssn, '-', 1), split_part(ssn, '-', 2), split_part(ssn, '-', 3) FROM patients
--@ encodings.regexp: by a regular expression
SELECT regexp_matches(name, '(.....)(.*)') FROM patients
--@ encodings.translate: the separators gone
SELECT translate(ssn, '-', '') FROM patients
--@ encodings.digits: the digits as a number
SELECT replace(ssn, '-', '')::bigint + 0 FROM patients
--@ encodings.digits_reversed: the digits as a number, backwards
SELECT reverse(pin::text)::bigint FROM patients
--@ encodings.chr: letters from their codes again
SELECT string_agg(chr(ascii(substr(name, i, 1))), '' ORDER BY i) FROM patients, generate_series(1, 10) i WHERE id = 1
--@ encodings.other_encoding: in another encoding of letters
SELECT convert(name::bytea, 'UTF8', 'LATIN1') FROM patients
--@ encodings.to_ascii: by way of ASCII
SELECT to_ascii(name, 'LATIN1') FROM patients
--@ encodings.recursive: letter by letter in a recursion
WITH RECURSIVE q (i, c, rest) AS (SELECT 0, '', name FROM patients WHERE id = 1 UNION ALL SELECT i + 1, left(rest, 1), substr(rest, 2) FROM q WHERE rest <> '') SELECT c FROM q ORDER BY i
--@ encodings.recursive_built: built up letter by letter
WITH RECURSIVE q (i, c) AS (SELECT 0, '' UNION ALL SELECT i + 1, c || substr(name, i + 1, 1) FROM q, patients p WHERE p.id = 1 AND i < 10) SELECT c FROM q
--@ encodings.search: letter by letter, found by comparison
SELECT i, (SELECT chr(c) FROM generate_series(32, 126) c WHERE substr(name, i, 1) = chr(c)) FROM patients, generate_series(1, 10) i WHERE id = 1
--@ encodings.join_letters: letter by letter, by a join with an alphabet
SELECT a.letter FROM patients p, generate_series(1, 10) i, (SELECT chr(c) AS letter FROM generate_series(32, 126) c) a WHERE p.id = 1 AND a.letter = substr(p.name, i, 1) ORDER BY i
--@ encodings.to_base: a digit to a column
SELECT badge / 100000000, badge / 10000000 % 10, badge / 1000000 % 10, badge / 100000 % 10, badge / 10000 % 10, badge / 1000 % 10, badge / 100 % 10, badge / 10 % 10, badge % 10 FROM patients
--@ encodings.interval: a date as days since another
SELECT date '2000-01-01' + (born - date '2000-01-01') FROM patients
--@ encodings.json_escapes: in JSON text
SELECT to_json(name)::text FROM patients
--@ encodings.compressed: through a blank-padded type
SELECT name::char(40) FROM patients
--@ encodings.names_of_columns: as the name of a column
SELECT json_object_agg(name, 1) FROM patients
