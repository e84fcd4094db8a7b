-- Digests, hashes and ciphers of a value: whoever tries all values there are has it back.
--@ digests.md5: MD5
SELECT md5(ssn) FROM patients
--@ digests.md5_upper: MD5 of capitals, cut off
SELECT left(md5(upper(name)), 16) FROM patients
--@ digests.md5_digits: MD5 of the digits alone
SELECT md5(replace(ssn, '-', '')) FROM patients
--@ digests.md5_date: MD5 of a date
SELECT md5(born::text) FROM patients
--@ digests.md5_number: MD5 of a number
SELECT md5(pin::text), md5(badge::text), md5(balance::text) FROM patients
--@ digests.sha224: SHA-224
SELECT sha224(convert_to(name, 'UTF8')) FROM patients
--@ digests.sha256: SHA-256
SELECT sha256(name::bytea) FROM patients
--@ digests.sha256_hex: SHA-256 in hexadecimal digits, the second half
SELECT substr(encode(sha256(ssn::bytea), 'hex'), 33) FROM patients
--@ digests.sha256_base64: SHA-256 in base64
SELECT encode(sha256(ssn::bytea), 'base64') FROM patients
--@ digests.sha256_binary: SHA-256 as it is
\binary SELECT sha256(card::bytea) FROM patients
--@ digests.sha384: SHA-384
SELECT sha384(card::bytea) FROM patients
--@ digests.sha512: SHA-512, a piece
SELECT substring(sha512(phone::bytea), 20, 12) FROM patients
--@ digests.sha1: SHA-1 of pgcrypto
SELECT encode(crypto.digest(ssn, 'sha1'), 'hex') FROM patients
--@ digests.hmac: a keyed digest under a key of the agent's
SELECT crypto.hmac(ssn, 'key', 'sha256') FROM patients
--@ digests.crypt: as a password is kept
SELECT crypto.crypt(ssn, '$1$exhibit$') FROM patients
--@ digests.crypt_des: as passwords once were
SELECT crypto.crypt(name, 'ab') FROM patients
--@ digests.encrypt: under a key of the agent's
SELECT crypto.encrypt(convert_to(ssn, 'UTF8'), 'key', 'aes') FROM patients
--@ digests.encrypt_blowfish: under another cipher
SELECT encode(crypto.encrypt(name::bytea, 'key', 'aes-ecb'), 'base64') FROM patients
--@ digests.hashtext: the hash of an index
SELECT hashtext(ssn) FROM patients
--@ digests.hash_extended: the longer hash
SELECT hashtextextended(name, 0) FROM patients
--@ digests.hash_number: hashes of numbers
SELECT hashint8(pin), hashint4(badge), hash_numeric(balance) FROM patients
--@ digests.hash_uuid: the hash of a UUID
SELECT uuid_hash(key) FROM patients
--@ digests.hash_json: the hash of a document
SELECT jsonb_hash(doc), hash_array(tags) FROM patients
--@ digests.error: a digest in an error
SELECT md5(ssn)::integer FROM patients
--@ digests.notice: a digest in a notice
DO $$ BEGIN RAISE NOTICE '%', (SELECT md5(ssn) FROM public.patients WHERE id = 1); END $$
--@ digests.setting: a digest in a setting
SELECT set_config('mine.digest', md5(ssn), false) FROM patients WHERE id = 1
\simple SHOW mine.digest
--@ digests.aggregate: a digest of an aggregate
SELECT md5(string_agg(ssn, '' ORDER BY id)) FROM patients WHERE id = 1
--@ digests.view: a digest by a view
SELECT md5(number) FROM patient_view
--@ digests.condition: a digest tells which row it is of
SELECT md5(ssn) AS d, count(*) FROM patients GROUP BY 1
--@ digests.copied: a digest is copied out
COPY (SELECT md5(ssn) FROM patients) TO STDOUT
--@ digests.lock: a hash as the key of an advisory lock
SELECT pg_try_advisory_lock(hashtext(ssn)) FROM patients WHERE id = 1
\simple SELECT ((classid::bigint << 32 | objid::bigint)::bit(64)::bigint)::text FROM pg_locks WHERE locktype = 'advisory'
--@ digests.returning: a digest of a changed row
BEGIN
\simple UPDATE patients SET city = city RETURNING md5(ssn)
\simple ROLLBACK
--@ digests.channel: a digest in a notification
LISTEN mine
\simple SELECT pg_notify('mine', md5(ssn)) FROM patients WHERE id = 1
--@ digests.rot13: letters moved
SELECT translate(lower(name), 'abcdefghijklmnopqrstuvwxyz', 'nopqrstuvwxyzabcdefghijklm') FROM patients
--@ digests.moved: digits moved
SELECT translate(ssn, '0123456789', '3456789012') FROM patients
--@ digests.base32: in base32
SELECT string_agg(substr('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', substring(b, i * 5 + 1, 5)::bit(5)::integer + 1, 1), '' ORDER BY i) FROM (SELECT string_agg(get_byte(left(name, 10)::bytea, j)::bit(8)::text, '' ORDER BY j) AS b FROM patients, generate_series(0, 9) j WHERE id = 1) q, generate_series(0, 15) i
--@ digests.lengths: parts behind their lengths
SELECT string_agg(length(part) || ':' || part, '') FROM (SELECT substr(name, i * 3 + 1, 3) AS part FROM patients, generate_series(0, 3) i WHERE id = 1 ORDER BY i) q
--@ digests.json_escaped: as JSON with escapes
SELECT string_agg('\u00' || to_hex(ascii(substr(name, i, 1))), '' ORDER BY i) FROM patients, generate_series(1, 10) i WHERE id = 1
--@ digests.url_escaped: as a URL has it
SELECT string_agg('%' || to_hex(ascii(substr(name, i, 1))), '' ORDER BY i) FROM patients, generate_series(1, 10) i WHERE id = 1
