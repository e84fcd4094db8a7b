-- Changes of rows that give them back.
--@ changes.update: an update of an open column
BEGIN; UPDATE patients SET city = city RETURNING ssn
--@ changes.update_star: all columns of a changed row
BEGIN; UPDATE patients SET city = 'x' RETURNING *
--@ changes.update_row: the row as a value
BEGIN; UPDATE patients p SET city = 'x' RETURNING p
--@ changes.update_expression: an expression over a changed row
BEGIN; UPDATE patients SET city = 'x' RETURNING lower(name)
--@ changes.update_subquery: a subquery over another row
BEGIN; UPDATE plain SET word = 'x' RETURNING (SELECT name FROM patients p WHERE p.id = plain.id)
--@ changes.update_self: the masked column by itself
BEGIN; UPDATE patients SET name = name || '' RETURNING name
--@ changes.update_from: a relation that is only read
BEGIN; UPDATE plain SET word = 'x' FROM patients p WHERE p.id = plain.id RETURNING p.name
--@ changes.delete: deleted rows
BEGIN; DELETE FROM family RETURNING secret
--@ changes.delete_star: all of deleted rows
BEGIN; DELETE FROM visits RETURNING *
--@ changes.delete_using: a relation that is only read
BEGIN; DELETE FROM plain USING patients p WHERE p.id = plain.id RETURNING p.ssn
--@ changes.insert_default: an insert into the masked relation that reads it
BEGIN; INSERT INTO family SELECT 3, name FROM patients RETURNING secret
--@ changes.insert_subquery: a subquery in the list
BEGIN; INSERT INTO plain VALUES (3, (SELECT ssn FROM patients WHERE id = 1)) RETURNING *
--@ changes.cte: a change in a common table expression
BEGIN; WITH gone AS (DELETE FROM visits RETURNING note) SELECT note FROM gone
--@ changes.cte_insert: an insert of rows that a change gave back
BEGIN; WITH gone AS (DELETE FROM family RETURNING secret) INSERT INTO plain SELECT 1, secret FROM gone RETURNING word
--@ changes.merge_move: a merge that moves
BEGIN; MERGE INTO plain p USING family f ON p.id = f.id + 100 WHEN NOT MATCHED THEN INSERT VALUES (f.id, f.secret); SELECT word FROM plain
--@ changes.current_of: a change of the row that a cursor stands on
BEGIN; DECLARE c CURSOR FOR SELECT id FROM family FOR UPDATE; FETCH c; DELETE FROM family WHERE CURRENT OF c RETURNING secret
--@ changes.view: a change through the view
BEGIN; UPDATE patient_view SET city = 'x' RETURNING number
--@ changes.child: a change through the child
BEGIN; UPDATE family_child SET more = 1 RETURNING secret
--@ changes.conflict_excluded: the row that would have been inserted
BEGIN
\simple INSERT INTO patients (id, name, ssn, born, city) SELECT id, name, ssn, born, city FROM patients ON CONFLICT (id) DO UPDATE SET city = excluded.name RETURNING city
--@ changes.write_and_return: one masked column is written, another one returned
BEGIN; UPDATE patients SET email = 'x' RETURNING ssn
--@ changes.write_star: a masked column is written, all are returned
BEGIN; UPDATE patients SET email = 'x' RETURNING *
--@ changes.write_alias_star: the same by an alias, with an expression
BEGIN; UPDATE patients p SET phone = 'x', card = NULL RETURNING p.*, lower(p.name)
--@ changes.write_row: the row as a value
BEGIN; UPDATE patients p SET email = 'x' RETURNING row_to_json(p)
--@ changes.write_copy: a masked column gets the value of another one
BEGIN; UPDATE patients SET email = name RETURNING email
--@ changes.write_copies: several of them
BEGIN; UPDATE patients SET (email, phone) = (name, ssn) RETURNING email, phone
--@ changes.write_query: from a query
BEGIN; UPDATE patients p SET (email, city) = (SELECT q.name, q.ssn FROM patients q WHERE q.id = p.id) RETURNING city
--@ changes.write_copy_later: and is read later
BEGIN; UPDATE patients SET email = name, phone = ssn; SELECT email, phone FROM patients
--@ changes.write_open: an open column gets a value beside a masked one that is written
BEGIN; UPDATE patients SET email = 'x', city = name RETURNING city
--@ changes.write_element: an element of an array is written, the array returned
BEGIN; UPDATE patients SET tags[3] = 'x' RETURNING tags
--@ changes.write_key: a key of a document is written, the document returned
BEGIN; UPDATE patients SET doc['x'] = '1' RETURNING doc
--@ changes.write_element_error: an element is written, and the row breaks a rule
UPDATE patients SET tags[3] = 'x', city = '' WHERE id = 1
--@ changes.write_key_error: a key is written, and the row breaks a rule
UPDATE patients SET doc['x'] = '1', city = '' WHERE id = 1
--@ changes.write_unique_error: a value that is there already
UPDATE patients SET ssn = (SELECT ssn FROM patients WHERE id = 2) WHERE id = 1
--@ changes.write_key_of_others: a value that another relation refers to
UPDATE patients SET ssn = '000-00-0000' WHERE id = 1
--@ changes.write_trigger_error: a value in the error of a trigger
UPDATE patients SET email = 'x', city = 'Nowhere' WHERE id = 1 RETURNING id
--@ changes.write_bound: by a parameter
BEGIN
\bound 'x' UPDATE patients SET email = $1 RETURNING name, born
--@ changes.write_binary: in binary formats
BEGIN
\binary UPDATE patients SET email = 'x' RETURNING pin, born, key
--@ changes.write_prepared: by a prepared statement
BEGIN; PREPARE q AS UPDATE patients SET email = 'x' RETURNING name; EXECUTE q
--@ changes.write_cte: in a common table expression
BEGIN; WITH w AS (UPDATE patients SET email = 'x' RETURNING name, ssn) SELECT * FROM w
--@ changes.write_cursor: the row that a cursor stands on
BEGIN; DECLARE c CURSOR FOR SELECT id FROM patients FOR UPDATE; FETCH c; UPDATE patients SET email = 'x' WHERE CURRENT OF c RETURNING name
--@ changes.write_from: from another row of the relation
BEGIN; UPDATE patients p SET email = q.name FROM patients q WHERE q.id <> p.id RETURNING p.email, q.*
--@ changes.insert_and_return: a row is inserted, and a masked value of another one returned
BEGIN; INSERT INTO family VALUES (9, 'x') RETURNING (SELECT string_agg(secret, ',') FROM family)
--@ changes.conflict_old: the row that is there already
BEGIN
\simple INSERT INTO patients (id, name, ssn, born, city) VALUES (1, 'x', '000-00-0000', '2000-01-01', 'x') ON CONFLICT (id) DO UPDATE SET email = patients.name, city = patients.ssn RETURNING email, city
--@ changes.conflict_return: what it holds beside what is written
BEGIN
\simple INSERT INTO patients (id, name, ssn, born, city) VALUES (1, 'x', '000-00-0000', '2000-01-01', 'x') ON CONFLICT (id) DO UPDATE SET email = 'x' RETURNING name, ssn
--@ changes.conflict_star: all of it
BEGIN
\simple INSERT INTO patients AS p (id, name, ssn, born, city) VALUES (1, 'x', '000-00-0000', '2000-01-01', 'x') ON CONFLICT (id) DO UPDATE SET email = 'x' RETURNING p.*
--@ changes.conflict_where: where it is not something
BEGIN
\simple INSERT INTO patients AS p (id, name, ssn, born, city) VALUES (1, 'x', '000-00-0000', '2000-01-01', 'x') ON CONFLICT (id) DO UPDATE SET email = 'x' WHERE p.name > 'A' RETURNING name
--@ changes.delete_written: a row is written and then removed
BEGIN; UPDATE family SET secret = secret || '!'; DELETE FROM family RETURNING secret
--@ changes.partition_moved: a row of another partition
BEGIN; CREATE TABLE visits_2025 PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01'); UPDATE visits SET day = '2025-02-02' RETURNING note, tableoid::regclass
