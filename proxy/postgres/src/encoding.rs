//! The encoding that an agent's text is in (`client_encoding`), on targets without masks.
//!
//! Statements are read as UTF-8. In another encoding of the list every byte below 0x80 is ASCII and nothing else, so where a
//! statement's tokens begin and end is plain; letters beyond ASCII stand for themselves only in UTF-8 and in LATIN1. In the
//! others each of their bytes is read as a private character, and a name that has one is refused: nobody could say which
//! relation it means. Values may have any.
//!
//! Not here: encodings whose characters have ASCII bytes in them (SJIS, BIG5, GBK, UHC, GB18030, JOHAB, `SHIFT_JIS_2004`) or
//! that shift (`MULE_INTERNAL`). They are refused: a quote could hide in a letter.

/// An encoding that is not UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// The server's name for it.
    name: &'static str,
    /// Makes it the encoding again, in a transaction.
    back: &'static str,
}

/// How the agent's text is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As UTF-8.
    #[default]
    Utf8,
    /// As ASCII and something else.
    Other(&'static Known),
}

/// Private characters that stand for the bytes from 0x80.
const PRIVATE: u32 = 0xe000;

macro_rules! known {
    ($($name:literal)*) => {
        [$(Known { name: $name, back: concat!("SET LOCAL client_encoding TO '", $name, "'") }),*]
    };
}

/// PostgreSQL documentation, "Character Set Support", less what the module says.
static KNOWN: [Known; 33] = known!(
    "SQL_ASCII" "LATIN1" "LATIN2" "LATIN3" "LATIN4" "LATIN5" "LATIN6" "LATIN7" "LATIN8" "LATIN9" "LATIN10" "ISO_8859_5"
    "ISO_8859_6" "ISO_8859_7" "ISO_8859_8" "WIN866" "WIN874" "WIN1250" "WIN1251" "WIN1252" "WIN1253" "WIN1254" "WIN1255"
    "WIN1256" "WIN1257" "WIN1258" "KOI8R" "KOI8U" "EUC_JP" "EUC_CN" "EUC_KR" "EUC_TW" "EUC_JIS_2004"
);

impl Encoding {
    /// The encoding that the server reports by that name.
    pub(crate) fn reported(name: &str) -> Option<Self> {
        if matches!(name, "UTF8" | "UNICODE") {
            return Some(Self::Utf8);
        }
        KNOWN.iter().find(|known| known.name == name).map(Self::Other)
    }

    /// The same where it may be that one: on a target with masks only UTF-8.
    pub(crate) fn held(name: &str, masked: bool) -> Option<Self> {
        Self::reported(name).filter(|encoding| !masked || *encoding == Self::Utf8)
    }

    /// The encoding that somebody asks for: case, and signs between letters, do not count (`pg_char_to_encoding`).
    pub(crate) fn asked(name: &str) -> Option<Self> {
        let name = plain(name);
        if matches!(name.as_str(), "utf8" | "unicode") {
            return Some(Self::Utf8);
        }
        let alias = match name.as_str() {
            "iso88591" => "latin1",
            "iso88592" => "latin2",
            "iso88593" => "latin3",
            "iso88594" => "latin4",
            "iso88599" => "latin5",
            "iso885910" => "latin6",
            "iso885913" => "latin7",
            "iso885914" => "latin8",
            "iso885915" => "latin9",
            "iso885916" => "latin10",
            "koi8" => "koi8r",
            "alt" => "win866",
            "windows1250" => "win1250",
            "win" | "windows1251" => "win1251",
            "windows1252" => "win1252",
            "windows1253" => "win1253",
            "windows1254" => "win1254",
            "windows1255" => "win1255",
            "windows1256" => "win1256",
            "windows1257" => "win1257",
            "windows1258" | "abc" | "tcvn5712" | "vscii" | "tcvn" => "win1258",
            name => name,
        };
        KNOWN.iter().find(|known| plain(known.name) == alias).map(Self::Other)
    }

    /// Whether it is the one that says nothing of letters beyond ASCII.
    pub(crate) fn is_sql_ascii(self) -> bool {
        matches!(self, Self::Other(known) if known.name == "SQL_ASCII")
    }

    /// Text of the agent's as it is read; `None` where UTF-8 is not UTF-8.
    pub(crate) fn read(self, bytes: &[u8]) -> Option<String> {
        let Self::Other(known) = self else {
            return String::from_utf8(bytes.to_vec()).ok();
        };
        let first = if known.name == "LATIN1" { 0 } else { PRIVATE };
        let letter = |byte: &u8| match byte {
            0..0x80 => char::from(*byte),
            _ => char::from_u32(first + u32::from(*byte)).unwrap_or(char::REPLACEMENT_CHARACTER),
        };
        Some(bytes.iter().map(letter).collect())
    }

    /// What makes it the encoding again in a transaction, where queries of the proxy's own have changed it.
    pub(crate) fn back(self) -> Option<&'static str> {
        match self {
            Self::Utf8 => None,
            Self::Other(known) => Some(known.back),
        }
    }
}

/// Whether a name has a character that was read without knowing which it is.
pub(crate) fn is_guessed(name: &str) -> bool {
    name.chars()
        .any(|letter| (PRIVATE + 0x80..PRIVATE + 0x100).contains(&u32::from(letter)))
}

fn plain(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Encoding, KNOWN, is_guessed};

    #[test]
    fn names_are_those_of_the_server() {
        for known in &KNOWN {
            assert_eq!(Encoding::reported(known.name), Some(Encoding::Other(known)));
            assert_eq!(
                Encoding::asked(&known.name.to_lowercase()),
                Some(Encoding::Other(known)),
                "{known:?}"
            );
        }
        let name = |asked: &str| match Encoding::asked(asked) {
            Some(Encoding::Other(known)) => known.name,
            Some(Encoding::Utf8) => "UTF8",
            None => "",
        };
        for (asked, wanted) in [
            ("utf-8", "UTF8"),
            ("Unicode", "UTF8"),
            ("iso-8859-1", "LATIN1"),
            ("koi8", "KOI8R"),
        ] {
            assert_eq!(name(asked), wanted);
        }
        // Letters of these have bytes of ASCII.
        for refused in [
            "SJIS",
            "BIG5",
            "GBK",
            "UHC",
            "GB18030",
            "JOHAB",
            "SHIFT_JIS_2004",
            "MULE_INTERNAL",
            "",
            "latin11",
        ] {
            assert!(
                Encoding::asked(refused).is_none() && Encoding::reported(refused).is_none(),
                "{refused}"
            );
        }
    }

    #[test]
    fn ascii_is_itself_and_the_rest_is_known_or_marked() {
        let read = |encoding: &str, bytes: &[u8]| Encoding::asked(encoding).and_then(|encoding| encoding.read(bytes));
        let all: Vec<u8> = (0..=255).collect();
        for known in &KNOWN {
            let text = Encoding::Other(known).read(&all).unwrap();
            assert_eq!(text.chars().count(), 256, "no two letters become one");
            assert!(
                text.chars()
                    .zip(&all)
                    .all(|(letter, byte)| letter.is_ascii() == byte.is_ascii())
            );
            assert_eq!(is_guessed(&text), known.name != "LATIN1");
        }
        assert_eq!(read("latin1", b"\xe9t\xe9").as_deref(), Some("\u{e9}t\u{e9}"));
        assert_eq!(read("utf8", b"\xe9").as_deref(), None);
        assert_eq!(read("utf8", "\u{e9}".as_bytes()).as_deref(), Some("\u{e9}"));
    }
}
