-- What the net is tried on. Every identifier is a canary of tests/tests/bypass/canaries.rs; all are invented.
CREATE TYPE contact AS (id integer, line text);
CREATE DOMAIN remark AS text;
CREATE TABLE notes (
    id integer PRIMARY KEY, body text NOT NULL, short varchar(40), word name, tags text[], doc json, docb jsonb, markup xml,
    raw bytea, digits bigint, paid numeric, measured float8, contact contact, remark remark, told tsvector,
    fee money
);
INSERT INTO notes VALUES
    (1, 'ssn 219-09-9981, call (503) 555-0187', 'mail quillomar@brontelia.org', '219-09-9981', '{stable,219-09-9981}',
     '{"kin": ["quillomar@brontelia.org", 7]}', '{"paid": "4539578763621486"}', '<note>219-09-9981</note>',
     'ssn 219-09-9981', 4539578763621486, 4539578763621486, 4539578763621486, '(7,219-09-9981)', 'ssn 219-09-9981',
     '''quillomar@brontelia.org''', 4539578763621486::numeric::money),
    (2, 'Dr. Zyxwarabel wrote; see https://gryphonwalt.brontelia.org/x', 'DE89370400440532013000', 'calm', '{}',
     'null', 'null', NULL, NULL, 7, 7.5, 7.5, NULL, NULL, NULL, 7),
    (3, 'stable', 'as before', 'calm', '{calm}', '{"n": 7}', '{"n": 7}', '<note/>', 'calm', 7, 7.5, 7.5, '(7,calm)', 'calm',
     'calm', 7);
ANALYZE notes;

CREATE TABLE keyed (line text PRIMARY KEY);
INSERT INTO keyed SELECT body FROM notes;
CREATE VIEW chosen AS SELECT id, body FROM notes WHERE short <> 'ssn 219-09-9981';
COMMENT ON TABLE keyed IS 'ask quillomar@brontelia.org';
CREATE FUNCTION opened() RETURNS refcursor LANGUAGE plpgsql AS $$
DECLARE
    made refcursor := 'made';
BEGIN
    OPEN made FOR EXECUTE format('SELECT 1 AS %I', (SELECT word FROM public.notes WHERE id = 1));
    RETURN made;
END
$$;
GRANT ALL ON ALL TABLES IN SCHEMA public TO exhibit;
GRANT ALL ON SCHEMA public TO exhibit;
