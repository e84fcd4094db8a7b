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
