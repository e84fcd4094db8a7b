//! What the server itself makes of the planted values: digests, hashes, and ciphers under the keys and salts that the corpus
//! uses. A digest of a value of little entropy is the value, for whoever tries all there are.
//!
//! The server is asked, so nothing here has to know how its hashes are made. Looked for are those of each value as it is, in
//! capitals, in small letters, backwards and without its separators.

use exhibit_tests::stack::{DATABASE, Stack};

use crate::canaries::{cells, ward};

/// What is made of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// Bytes: shown in hexadecimal digits, in base64, or as they are.
    Bytes(Vec<u8>),
    /// A text that is shown as it is.
    Text(String),
    /// A number, as a cell of its own.
    Number(String),
}

/// The same with the place of its canary.
pub(crate) type Digest = (usize, Made);

/// Digests by their bytes. `pgcrypto` lies in a schema of its own.
const BYTES: [&str; 9] = [
    "decode(md5(x), 'hex')",
    "sha224(convert_to(x, 'UTF8'))",
    "sha256(convert_to(x, 'UTF8'))",
    "sha384(convert_to(x, 'UTF8'))",
    "sha512(convert_to(x, 'UTF8'))",
    "crypto.digest(x, 'sha1')",
    "crypto.hmac(x, 'key', 'sha256')",
    "crypto.encrypt(convert_to(x, 'UTF8'), 'key', 'aes')",
    "crypto.encrypt(convert_to(x, 'UTF8'), 'key', 'aes-ecb')",
];

const TEXTS: [&str; 2] = ["crypto.crypt(x, '$1$exhibit$')", "crypto.crypt(x, 'ab')"];

const NUMBERS: [&str; 3] = ["hashtext(x)", "hashtextextended(x, 0)", "hashbpchar(x)"];

/// Hashes of what is no text.
const OTHERS: &str = "SELECT 'pin ' || id, hashint8(pin) FROM patients UNION ALL SELECT 'badge ' || id, hashint4(badge) FROM patients \
    UNION ALL SELECT 'balance ' || id, hash_numeric(balance) FROM patients \
    UNION ALL SELECT 'key ' || id, uuid_hash(key) FROM patients \
    UNION ALL SELECT 'tag 1', hash_array(tags) FROM patients WHERE tags IS NOT NULL \
    UNION ALL SELECT 'document', jsonb_hash(doc) FROM patients WHERE doc IS NOT NULL";

/// Asks the server of a stack.
pub(crate) fn of(stack: &Stack) -> Vec<Digest> {
    let canaries = ward();
    let place = |name: &str| canaries.iter().position(|canary| canary.name == name).unwrap();
    let rows: Vec<String> = cells()
        .iter()
        .map(|(name, text)| format!("({}, '{}')", place(name), text.replace('\'', "''")))
        .collect();
    let made = |kind: &str, expressions: &[&str], shown: &dyn Fn(&str) -> String| {
        let each = expressions
            .iter()
            .map(|expression| format!("('{kind}', {})", shown(expression)));
        each.collect::<Vec<_>>().join(", ")
    };
    let all = [
        made("bytes", &BYTES, &|one| format!("encode({one}, 'hex')")),
        made("text", &TEXTS, &str::to_owned),
        made("number", &NUMBERS, &|one| format!("({one})::text")),
    ];
    let forms = "(t), (upper(t)), (lower(t)), (reverse(t)), (regexp_replace(t, '[^[:alnum:]]', '', 'g'))";
    let sql = format!(
        "WITH v (i, t) AS (VALUES {}), f AS (SELECT DISTINCT i, x FROM v, LATERAL (VALUES {forms}) l (x)) \
         SELECT i || ' ' || kind || ' ' || d FROM f, LATERAL (VALUES {}) m (kind, d)",
        rows.join(", "),
        all.join(", ")
    );
    let said = stack.postgres().execute(DATABASE, &sql).unwrap();
    let mut digests: Vec<Digest> = said.lines().map(digest).collect();
    assert_eq!(digests.len() % (BYTES.len() + TEXTS.len() + NUMBERS.len()), 0, "{said}");
    let said = stack.postgres().execute(DATABASE, OTHERS).unwrap();
    for line in said.lines().filter(|line| !line.ends_with('|')) {
        let (name, number) = line.split_once('|').unwrap();
        digests.push((place(name), Made::Number(number.to_owned())));
    }
    digests
}

fn digest(line: &str) -> Digest {
    let mut parts = line.splitn(3, ' ');
    let (place, kind, made) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let made = match kind {
        "bytes" => Made::Bytes(hex::decode(made).unwrap()),
        "text" => Made::Text(made.to_owned()),
        _ => Made::Number(made.to_owned()),
    };
    (place.parse().unwrap(), made)
}
