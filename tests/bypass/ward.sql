-- What the bypass corpus is tried on. Every value that a mask hides is a canary of tests/tests/bypass/finder.rs; all are
-- invented, and none has six letters or digits in a row that stand anywhere else.
CREATE TABLE patients (
    id integer PRIMARY KEY, name text NOT NULL, ssn varchar(11) NOT NULL UNIQUE CHECK (length(ssn) = 11), born date NOT NULL,
    pin bigint, badge integer, balance numeric(12, 2), key uuid, tags text[], doc jsonb, photo bytea, email text,
    phone text, card text, seen timestamp, city text NOT NULL CHECK (city <> '')
);
INSERT INTO patients VALUES
    (1, 'Zyxwarabel Qonterlyne', '912-84-7731', '1943-08-17', 4815162342, 948151623, 7316490.58,
     '7f3a9c15-d2b8-4e60-a147-5bc8e9026d31', '{Hushtagword,Vespertinely}',
     '{"kin": {"name": "Quillfeatherdoc"}, "n": [1, 2]}', 'Murrinegoblet', 'zyx@murmelkraut.example',
     '(503) 555-0187', '4929-1837-6650-2204', '1987-06-25 13:47:58', 'Ulm'),
    (2, 'Brontelia Vuxmoorfield', '913-55-0042', '1951-03-09', 6295141361, 735920486, 8402957.36,
     '0b6e58d4-93c7-4f1a-8d25-e67f10a3c942', NULL, NULL, NULL, NULL, NULL, '5312-7709-4428-6615', NULL, 'Bonn');

CREATE TABLE visits (id integer, patient integer REFERENCES patients, note text, day date) PARTITION BY RANGE (day);
CREATE TABLE visits_2024 PARTITION OF visits FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO visits VALUES (1, 1, 'Gryphonwalt seen', '2024-05-05');

CREATE TABLE family (id integer, secret text);
CREATE TABLE family_child (more integer) INHERITS (family);
INSERT INTO family VALUES (1, 'Tamarixwood');
INSERT INTO family_child VALUES (2, 'Ocelotriver', 7);

CREATE TABLE charges (id integer PRIMARY KEY, patient_ssn varchar(11) REFERENCES patients (ssn), amount numeric);
INSERT INTO charges VALUES (1, '912-84-7731', 12.50);

-- A rule of somebody who did not think of what it says when it fails.
ALTER TABLE charges ADD CHECK (amount < 1000 OR patient_ssn::text::regclass IS NOT NULL);

CREATE TABLE plain (id integer, word text);
INSERT INTO plain VALUES (1, 'open'), (2, 'clear');

CREATE VIEW patient_view WITH (security_invoker) AS SELECT id, name AS who, ssn AS number, city FROM patients;
CREATE VIEW city_view WITH (security_invoker) AS SELECT city, count(*) AS patients FROM patients GROUP BY city;
CREATE VIEW letter_view WITH (security_invoker) AS SELECT id, upper(name) AS capitals, name || ', ' || city AS line, city FROM patients;
CREATE VIEW visit_view WITH (security_invoker) AS SELECT p.city, v.day, v.note FROM visits v JOIN patients p ON p.id = v.patient;
CREATE VIEW union_view WITH (security_invoker) AS SELECT id, name AS word FROM patients UNION ALL SELECT id, word FROM plain;
CREATE VIEW last_view WITH (security_invoker) AS SELECT city, max(name) AS last, string_agg(name, ',') AS names FROM patients GROUP BY city;
CREATE VIEW chosen_view WITH (security_invoker) AS SELECT id, city, name FROM patients WHERE name LIKE 'Z%' ORDER BY ssn;
CREATE VIEW number_view WITH (security_invoker) AS SELECT id, name, substr(ssn, 1, 3)::integer AS part FROM patients;
CREATE SCHEMA crypto;
GRANT USAGE ON SCHEMA crypto TO PUBLIC;
CREATE EXTENSION pgcrypto SCHEMA crypto;
CREATE FUNCTION ssn_of(integer) RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM public.patients WHERE id = $1';
CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE NOTICE 'row % changes', OLD;
    IF NEW.city = 'Nowhere' THEN
        RAISE EXCEPTION 'no such city' USING DETAIL = OLD.name;
    ELSIF NEW.city = 'Denied' THEN
        RAISE EXCEPTION 'not your patient: %', OLD.ssn USING ERRCODE = 'insufficient_privilege';
    ELSIF NEW.city = 'Moved' THEN
        EXECUTE format('INSERT INTO %I VALUES (1)', OLD.name);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER told BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION told();
CREATE STATISTICS names_of_cities (mcv) ON name, city FROM patients;

-- The agents' role may do everything with all of it; what it makes, it makes in `public`. It is `exhibit` of the stack.
GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER, REFERENCES ON ALL TABLES IN SCHEMA public TO exhibit;
GRANT CREATE ON SCHEMA public TO exhibit;
GRANT CREATE ON DATABASE clinic TO exhibit;
-- `$user` would be the schema of what a plan installs.
ALTER ROLE exhibit SET search_path = public;
-- Somebody else's login, whose password the agent has found.
CREATE ROLE clerk LOGIN PASSWORD 'found';
GRANT SELECT ON ALL TABLES IN SCHEMA public TO clerk;
ANALYZE;
