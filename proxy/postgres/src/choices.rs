//! What an agent may choose at start-up: settings as parameters of their own, or in `options` as a server's command line has
//! them (`-c name=value`, `--name=value`; PostgreSQL documentation, `libpq-connect`, `options`).
//!
//! The settings are those that `SET` may change on a target with masks: none changes how the proxy reads statements and
//! values. Three of them the proxy holds itself, and takes only as they are. Everything else is refused by its name. Where the
//! target has no masks, every setting is taken as `SET` takes it, but for those that are a request of another kind.
//! The server gets what was chosen as parameters of the start-up message, so `RESET` goes back to it.
//!
//! Not here: whether a value is one; that the server says.

use crate::analysis::harmless_setting;
use crate::encoding::Encoding;

/// Settings that the list for `SET` has, and that are no settings but parts of its grammar, or of one transaction.
const NOT_AT_STARTUP: [&str; 6] = [
    "names",
    "transaction",
    "session_characteristics",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_deferrable",
];

/// What no agent chooses at start-up: who it is and where, what it replicates, as whom it acts (a grant, as a request), and
/// libraries (`LOAD` is a request).
const NEVER: [&str; 11] = [
    "user",
    "database",
    "options",
    "replication",
    "role",
    "session_authorization",
    "is_superuser",
    "session_preload_libraries",
    "local_preload_libraries",
    "shared_preload_libraries",
    "dynamic_library_path",
];

/// Why a start-up message is refused: a SQLSTATE, and a text that repeats no value.
pub(crate) type Refusal = (&'static str, String);

/// Settings that an agent chose; names in small letters, all from a fixed list, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choices {
    settings: Vec<(String, String)>,
    /// The target has no masks, so the list for targets with masks does not bind.
    free: bool,
}

impl Choices {
    /// None yet; `masked` says whether the target has masks.
    pub(crate) fn of(masked: bool) -> Self {
        Self {
            settings: Vec::new(),
            free: !masked,
        }
    }

    /// Whether the target has masks, so that values have to be read in their usual form.
    pub(crate) fn masked(&self) -> bool {
        !self.free
    }

    /// All of them, in order.
    pub(crate) fn all(&self) -> &[(String, String)] {
        &self.settings
    }

    /// What a setting was set to.
    pub(crate) fn named(&self, name: &str) -> Option<&str> {
        let chosen = self.settings.iter().find(|(other, _)| other == name);
        chosen.map(|(_, value)| value.as_str())
    }

    /// Takes a setting; the last one of a name holds.
    pub(crate) fn take(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let lower = name.to_ascii_lowercase();
        let refused = || {
            (
                "0A000",
                format!("the start-up parameter {name:.63} is not taken with that value"),
            )
        };
        match lower.as_str() {
            "client_encoding" => match Encoding::asked(value) {
                // Held by the proxy. Bytes without an encoding pass as they are, and the agent is told which it is.
                Some(encoding) if encoding == Encoding::Utf8 || encoding.is_sql_ascii() => return Ok(()),
                Some(_) if self.free => {}
                _ => return Err(refused()),
            },
            "standard_conforming_strings" if ["on", "true", "yes", "1"].contains(&unquoted(value).as_str()) => {
                return Ok(());
            }
            "standard_conforming_strings" => return Err(refused()),
            name if self.free => {
                let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.');
                if NEVER.contains(&name) || !name.chars().all(plain) || name.starts_with("_pq_") {
                    return Err(("0A000", format!("the start-up parameter {name:.63} is not taken")));
                }
            }
            "datestyle" if !is_iso(value) => return Err(refused()),
            "datestyle" => {}
            name if harmless_setting(name) && !NOT_AT_STARTUP.contains(&name) => {}
            _ => return Err(("0A000", format!("the start-up parameter {name:.63} is not taken"))),
        }
        self.settings.retain(|(other, _)| *other != lower);
        self.settings.push((lower, value.to_owned()));
        Ok(())
    }

    /// Takes the settings in `options`.
    pub(crate) fn options(&mut self, options: &str) -> Result<(), Refusal> {
        let other = || {
            (
                "0A000",
                "of options only -c name=value and --name=value are taken".to_owned(),
            )
        };
        let mut words = split(options).into_iter();
        while let Some(word) = words.next() {
            let setting = if let Some(long) = word.strip_prefix("--") {
                long.to_owned()
            } else {
                match word.strip_prefix("-c") {
                    Some("") => words.next().ok_or_else(other)?,
                    Some(setting) => setting.to_owned(),
                    None => return Err(other()),
                }
            };
            let (name, value) = setting.split_once('=').ok_or_else(other)?;
            // As the server has it (`ParseLongOption`).
            self.take(&name.replace('-', "_"), value)?;
        }
        Ok(())
    }
}

/// Words between white space; a backslash makes the next character an ordinary one (`pg_split_opts`).
fn split(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = options.chars();
    while let Some(letter) = letters.next() {
        // The white space of C's `isspace`.
        if matches!(letter, ' ' | '\t'..='\r') {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert_default();
        match letter {
            '\\' => word.extend(letters.next()),
            letter => word.push(letter),
        }
    }
    words.extend(word);
    words
}

fn unquoted(value: &str) -> String {
    value.trim_matches(['\'', '"']).to_ascii_lowercase()
}

/// Whether dates come out as ISO has them; the order in which they are read is the agent's to choose.
fn is_iso(value: &str) -> bool {
    let value = unquoted(value);
    let mut words: Vec<&str> = value.split(',').map(str::trim).collect();
    words.sort_unstable();
    matches!(words.as_slice(), ["iso"] | ["dmy", "iso"] | ["iso", "mdy" | "ymd"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Result<Vec<(String, String)>, Refusal> {
        let mut choices = Choices::default();
        choices.options(text).map(|()| choices.settings)
    }

    #[test]
    fn options_are_split_as_the_server_does() {
        let check = |text: &str, wanted: &[(&str, &str)]| {
            let wanted: Vec<(String, String)> = wanted
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(options(text), Ok(wanted), "{text}");
        };
        check("", &[]);
        check(" \t\n ", &[]);
        check("-c geqo=off", &[("geqo", "off")]);
        check("-cgeqo=off  --jit=on", &[("geqo", "off"), ("jit", "on")]);
        check("--statement-timeout=5s", &[("statement_timeout", "5s")]);
        check("-c Search_Path=a,\\ \"b\\ c\"", &[("search_path", "a, \"b c\"")]);
        check("-c search_path=a\\\\b", &[("search_path", "a\\b")]);
        check("-c application_name=a=b", &[("application_name", "a=b")]);
        check("-c application_name=", &[("application_name", "")]);
        check("-c row_security=off", &[("row_security", "off")]);
        check("-c jit=on -c geqo=on -c JIT=off", &[("geqo", "on"), ("jit", "off")]);
        check(
            "-c client_encoding=utf-8 --datestyle=ISO,\\ DMY",
            &[("datestyle", "ISO, DMY")],
        );
    }

    #[test]
    fn other_options_are_refused() {
        for text in [
            "-c",
            "-c geqo",
            "--geqo",
            "--",
            "-",
            "geqo=on",
            "-e",
            "-d 5",
            "-B 100",
            "-Wgeqo=on",
            "-c =x",
            "\\ -c geqo=on",
            "-c role=postgres",
            "--session-authorization=postgres",
            "-c session_replication_role=replica",
            "-c standard_conforming_strings=off",
            "-c client_encoding=latin1",
            "-c backslash_quote=on",
            "-c escape_string_warning=off",
            "-c datestyle=SQL",
            "-c my.setting=1",
            "-c session_preload_libraries=x",
            "-c local_preload_libraries=x",
            "-c log_statement=all",
            "-c transaction_read_only=off",
            "-c names=utf8",
            "-c options=x",
            "-c user=x",
            "-c replication=true",
        ] {
            let refused = options(text).unwrap_err();
            assert_eq!(refused.0, "0A000", "{text}");
        }
    }

    #[test]
    fn without_masks_every_setting_is_taken_that_is_no_other_request() {
        let check = |name: &str, value: &str, taken: bool| {
            assert_eq!(Choices::of(false).take(name, value).is_ok(), taken, "{name} {value}");
            assert!(Choices::of(true).take(name, value).is_err(), "{name} {value}");
        };
        check("DateStyle", "Postgres, MDY", true);
        check("session_replication_role", "replica", true);
        check("my.setting", "1", true);
        check("standard_conforming_strings", "off", false);
        check("client_encoding", "SJIS", false);
        check("_pq_.x", "1", false);
        check("a b", "1", false);
        for name in NEVER {
            check(name, "x", false);
        }
    }

    #[test]
    fn values_are_not_repeated_and_names_are_short() {
        let mut choices = Choices::default();
        let (_, text) = choices.take(&"x".repeat(1_000), "secret").unwrap_err();
        assert!(text.len() < 120 && !text.contains("secret"), "{text}");
    }

    #[test]
    fn spellings_that_drivers_send_are_taken() {
        let check = |name: &str, value: &str, taken: bool| {
            assert_eq!(Choices::default().take(name, value).is_ok(), taken, "{name} {value}");
        };
        for value in ["UTF8", "utf-8", "'utf-8'", "UTF_8", "unicode", "\"UTF8\"", "SQL_ASCII"] {
            check("client_encoding", value, true);
        }
        for value in ["LATIN1", "UTF16", "", "WIN1252", "SJIS", "auto"] {
            check("client_encoding", value, false);
        }
        for value in ["ISO", "iso, mdy", "'ISO, DMY'", "YMD,ISO"] {
            check("DateStyle", value, true);
        }
        for value in ["German", "ISO, German", "SQL, MDY", "", "MDY", "isoteric"] {
            check("datestyle", value, false);
        }
        for name in [
            "TimeZone",
            "extra_float_digits",
            "IntervalStyle",
            "application_name",
            "search_path",
            "geqo",
        ] {
            check(name, "1", true);
        }
    }
}
