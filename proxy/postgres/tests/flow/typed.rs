//! Masked values of every type that masks know, through the proxy: the server itself reads what an agent gets, and both
//! formats are the same value.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;

use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::{FromSql, Type};

use crate::server::Server;
use crate::stand::{POLICY, Stand};

/// Column, type, the server's function for its binary format, a value.
const COLUMNS: [(&str, &str, &str, &str); 17] = [
    ("h", "int2", "int2send", "17"),
    ("n", "int4", "int4send", "-170000"),
    ("i", "int8", "int8send", "17000000000"),
    ("q", "numeric(12,3)", "numeric_send", "-170.125"),
    ("d", "date", "date_send", "1970-02-03"),
    ("t", "timestamp", "timestamp_send", "1970-02-03 04:05:06.7"),
    ("z", "timestamptz", "timestamptz_send", "1970-02-03 04:05:06+02"),
    ("u", "uuid", "uuid_send", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
    ("y", "bytea", "byteasend", "\\x00ff10"),
    ("v", "varchar(60)", "varcharsend", "Ann"),
    ("j", "json", "json_send", "{\"a\": \"Ann\"}"),
    ("k", "jsonb", "jsonb_send", "{\"a\": \"Ann\"}"),
    ("a", "text[]", "array_send", "{Ann,NULL,\"O\\\"Neil, {B}\"}"),
    ("b", "varchar(60)[]", "array_send", "{1970-02-03}"),
    ("c", "int4[]", "array_send", "{17,-17}"),
    ("e", "uuid[]", "array_send", "{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}"),
    ("f", "bool", "boolsend", "true"),
];

/// The bytes of a value of any type.
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// What masks of that technique show of the columns, as the server would write it: `None` is NULL.
async fn shown(technique: &str) -> Vec<Option<String>> {
    let server = Server::start();
    let mut table = "CREATE TABLE typed (id int".to_owned();
    let mut values = "INSERT INTO typed VALUES (1".to_owned();
    for (column, of, _, value) in COLUMNS {
        write!(table, ", {column} {of}").unwrap();
        write!(values, ", '{value}'").unwrap();
    }
    server.execute(&format!(
        "ALTER DATABASE postgres SET timezone = 'UTC'; {table}); {values})"
    ));
    let mut policy = POLICY.to_owned();
    for (column, ..) in COLUMNS {
        write!(
            policy,
            "\n[[masks]]\nname = \"{column}\"\ntargets = [\"clinic\"]\nresources = [\"public.typed.{column}\"]\n{technique}\n"
        )
        .unwrap();
    }
    let stand = Stand::start_with(Arc::new(server), &policy, |_| {}).await;
    let client = stand.driver().await;
    let mut shown = Vec::new();
    for (column, of, send, value) in COLUMNS {
        let raw = client
            .query_one(&format!("SELECT {column} FROM typed"), &[])
            .await
            .unwrap();
        let raw: Option<Raw> = raw.get(0);
        let messages = client
            .simple_query(&format!("SELECT {column} FROM typed"))
            .await
            .unwrap();
        let row = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let text = row.unwrap().get(0).map(str::to_owned);
        let (Some(Raw(raw)), Some(text)) = (&raw, &text) else {
            assert!(
                raw.is_none() && text.is_none(),
                "{technique}: {column} is NULL in one format"
            );
            shown.push(None);
            continue;
        };
        let of = of.replace("(60)", "").replace("(12,3)", "");
        let same = stand.server.execute(&format!(
            "SELECT encode({send}('{}'::{of}), 'hex')",
            text.replace('\'', "''")
        ));
        assert_eq!(same.trim(), hex::encode(raw), "{technique}: {column} {text}");
        assert_ne!(text, value, "{technique}: {column}");
        shown.push(Some(text.clone()));
    }
    shown
}

/// The columns that are not NULL.
fn filled(shown: &[Option<String>]) -> String {
    let columns = COLUMNS.iter().zip(shown).filter(|(_, shown)| shown.is_some());
    columns.map(|((column, ..), _)| *column).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn masked_values_are_valid_for_their_type_in_both_formats() {
    for (technique, wanted) in [
        ("technique = \"redact\"", "hniquyvjkabce"),
        ("technique = \"null\"", ""),
        ("technique = \"token\"\ndomain = \"d\"", "hniquyvjkabce"),
        ("technique = \"year\"", "dtzab"),
        ("technique = \"partial\"\nkeep = 1", "vjkab"),
        ("technique = \"date_shift\"", "dtzab"),
        ("technique = \"zip3\"", "habc"),
        ("technique = \"ff1\"\nalphabet = \"alphanumeric\"", "abc"),
        (
            "technique = \"paths\"\nrest = \"null\"\npaths = [{ path = \"/a\", technique = \"token\" }]",
            "jk",
        ),
    ] {
        let shown = shown(technique).await;
        assert_eq!(filled(&shown), wanted, "{technique}: {shown:?}");
    }
}
