//! What names a host or a mailbox: e-mail addresses (RFC 5321), URLs (RFC 3986), IP addresses (RFC 791, RFC 4291), and
//! MAC addresses (IEEE 802), which name a device.

use std::net::Ipv6Addr;
use std::ops::Range;

use super::token::{Kind, Tokens};
use super::{Category, Class, Confidence, Findings, Signs};

/// Bytes of a local part and of a domain at the most, four times what RFC 5321 4.5.3.1 allows to the first.
const LOCAL_BYTES_MAX: usize = 256;
const DOMAIN_BYTES_MAX: usize = 255;

/// Bytes of a URL that are followed; what comes after is searched on its own.
const URL_BYTES_MAX: usize = 2_000;

/// Bytes of an IPv6 address with zone and prefix length at the most.
const COLONS_BYTES_MAX: usize = 64;

/// Top-level domains that are taken without `http://` or `www.` before them.
const TOP_LEVEL: &[&str] = &[
    "com", "org", "net", "edu", "gov", "mil", "info", "biz", "io", "health", "care", "dev", "app",
];

/// Hosts of public vocabularies: a URL of theirs that has only a path says which code system is meant, and names nobody.
const NAMESPACES: &[&str] = &[
    "loinc.org",
    "snomed.info",
    "hl7.org",
    "terminology.hl7.org",
    "unitsofmeasure.org",
    "www.nlm.nih.gov",
    "hl7.org.au",
    "fhir.org",
    "www.w3.org",
    "ns.electronichealth.net.au",
    "www.ama-assn.org",
    "id.who.int",
];

/// Finds them all; `signs` tell which marks the text has.
pub(super) fn find(tokens: &Tokens<'_>, signs: Signs, findings: &mut Findings<'_>) {
    let text = tokens.text;
    if signs.any(Signs::AT) {
        for (place, _) in text.match_indices('@') {
            if let Some((span, confidence)) = mailbox(text, place) {
                findings.add(span, Category::Email, confidence);
            }
        }
    }
    if signs.any(Signs::COLON) {
        urls(text, findings);
    }
    if signs.any(Signs::DOT) {
        dotted(tokens, findings);
    }
    if signs.any(Signs::COLON | Signs::DIGIT) {
        separated(tokens, findings);
    }
}

fn urls(text: &str, findings: &mut Findings<'_>) {
    let mut followed = 0;
    for (place, _) in text.match_indices("://") {
        if place >= followed
            && let Some(span) = url(text, place)
        {
            followed = span.end;
            if !namespace(text.get(place + 3..span.end).unwrap_or("")) {
                findings.add(span, Category::Url, Confidence::Strong);
            }
        }
    }
}

/// The mailbox around an `@`.
fn mailbox(text: &str, at: usize) -> Option<(Range<usize>, Confidence)> {
    let bytes = text.as_bytes();
    let local = |byte: &u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(byte) || *byte >= 0x80;
    let domain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-".contains(byte) || *byte >= 0x80;
    let before = bytes
        .get(..at)?
        .iter()
        .rev()
        .take(LOCAL_BYTES_MAX)
        .take_while(|byte| local(byte))
        .count();
    let after = bytes
        .get(at + 1..)?
        .iter()
        .take(DOMAIN_BYTES_MAX)
        .take_while(|byte| domain(byte))
        .count();
    let mut start = at - before;
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let mut end = at + 1 + after;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    // Quotes and brackets around an address are not of it.
    start += text.get(start..at)?.len()
        - text
            .get(start..at)?
            .trim_start_matches(['\'', '`', '=', '*', '.', '/', '|', '{', '?'])
            .len();
    let name = text.get(at + 1..end)?.trim_end_matches(['.', '-']);
    end = at + 1 + name.len();
    if start == at || name.is_empty() {
        return None;
    }
    let dots = name.contains('.');
    let top = name.rsplit('.').next().unwrap_or("");
    let shaped =
        dots && top.chars().count() >= 2 && !name.contains("..") && !top.bytes().all(|byte| byte.is_ascii_digit());
    let confidence = match (shaped, dots) {
        (true, _) => Confidence::Strong,
        (false, true) => Confidence::Likely,
        (false, false) => Confidence::Possible, // a handle, or a host of a local network
    };
    Some((start..end, confidence))
}

/// The URL around a `://`.
fn url(text: &str, colon: usize) -> Option<Range<usize>> {
    let scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let before = text
        .as_bytes()
        .get(..colon)?
        .iter()
        .rev()
        .take(16)
        .take_while(|byte| scheme(byte))
        .count();
    let end = url_end(text, colon + 3);
    (before > 0 && end > colon + 3).then(|| colon - before..end)
}

/// Whether what follows `://` is a name of a public vocabulary. Digits in its path are searched like any others.
fn namespace(rest: &str) -> bool {
    let host = rest.split('/').next().unwrap_or("");
    NAMESPACES.contains(&host) && !rest.contains(['?', '#', '@', '%'])
}

/// Where a URL ends that is followed from `start`: at a blank or a bracket, without the marks of the sentence around it.
fn url_end(text: &str, start: usize) -> usize {
    let mut limit = text.len().min(start + URL_BYTES_MAX);
    while !text.is_char_boundary(limit) {
        limit -= 1;
    }
    let rest = text.get(start..limit).unwrap_or("");
    let stop = |one: char| {
        one.is_whitespace() || one.is_control() || matches!(one, '<' | '>' | '"' | '`' | '{' | '}' | '|' | '\\')
    };
    let end = rest.find(stop).unwrap_or(rest.len());
    let body = rest.get(..end).unwrap_or("");
    let open = body.contains('(');
    let mark = |one: char| matches!(one, '.' | ',' | ';' | ':' | '!' | '?' | '\'' | ']') || (one == ')' && !open);
    start + body.trim_end_matches(mark).len()
}

/// What dots hold together: `www.example.org`, `example.com/path`, `192.0.2.7`.
fn dotted(tokens: &Tokens<'_>, findings: &mut Findings<'_>) {
    let mut index = 0;
    while let Some(token) = tokens.at(index) {
        if !matches!(tokens.follows(index), b'.' | b'-') {
            index += 1;
            continue;
        }
        let mut last = index;
        while matches!(tokens.gap(last), "." | "-") && tokens.at(last + 1).is_some() && last - index < 32 {
            last += 1;
        }
        if last > index {
            if token.kind == Kind::Number {
                internet(tokens, index, last, findings);
            }
            domain(tokens, index, last, findings);
        }
        index = last + 1;
    }
}

/// A domain name without a scheme.
fn domain(tokens: &Tokens<'_>, first: usize, last: usize, findings: &mut Findings<'_>) {
    let Some(start) = tokens.at(first).map(|token| token.start) else {
        return;
    };
    let Some(end) = tokens.at(last).map(|token| token.end) else {
        return;
    };
    if tokens.gap_before(first).ends_with('@') || tokens.gap_before(first).ends_with("://") {
        return; // the mailbox or the URL is found
    }
    let mut end = end;
    let www = tokens.text(first).eq_ignore_ascii_case("www");
    let known = |index: usize| {
        tokens.gap_before(index) == "."
            && TOP_LEVEL.iter().any(|top| tokens.text(index).eq_ignore_ascii_case(top))
            && tokens.before(index, 1).is_some_and(|token| token.len() >= 2)
    };
    if !www && !(first + 1..=last).any(known) {
        return;
    }
    if tokens.gap(last).starts_with(['/', '?', ':', '#']) {
        end = url_end(tokens.text, start).max(end);
    }
    findings.add(start..end, Category::Url, Confidence::Likely);
}

/// Four numbers up to 255 with dots between.
fn internet(tokens: &Tokens<'_>, first: usize, last: usize, findings: &mut Findings<'_>) {
    let octet = |index: usize| {
        tokens.at(index).is_some_and(|token| token.len() <= 3) && tokens.number(index).is_some_and(|octet| octet <= 255)
    };
    let mut index = first;
    while index + 3 <= last {
        let dots = (index..index + 3).all(|place| tokens.gap(place) == ".");
        if !(dots && (index..=index + 3).all(octet)) {
            index += 1;
            continue;
        }
        let number = |place: usize| tokens.at(place).is_some_and(|token| token.kind == Kind::Number);
        let chained = (index > first && tokens.gap_before(index) == "." && number(index - 1))
            || (tokens.gap(index + 3) == "." && number(index + 4));
        let version = index > 0 && tokens.class(index - 1).any(Class::VERSION.with(Class::CODE));
        let span = tokens.at(index).map_or(0, |token| token.start)..tokens.at(index + 3).map_or(0, |token| token.end);
        let confidence = if chained || version {
            Confidence::Possible
        } else {
            Confidence::Strong
        };
        findings.add(span, Category::Ip, confidence);
        index += 4;
    }
}

/// What colons or dashes hold together: IPv6 and MAC addresses.
fn separated(tokens: &Tokens<'_>, findings: &mut Findings<'_>) {
    let text = tokens.text;
    let mut index = 0;
    while let Some(token) = tokens.at(index) {
        if !matches!(tokens.follows(index), b':' | b'-') || token.len() > 4 || !hexadecimal(tokens.text(index)) {
            index += 1;
            continue;
        }
        let mut last = index;
        let joined = |last: usize| {
            matches!(tokens.gap(last), ":" | "::" | "-" | ".")
                && tokens.at(last + 1).is_some_and(|token| token.len() <= 4)
                && hexadecimal(tokens.text(last + 1))
        };
        while joined(last) && last - index < 16 {
            last += 1;
        }
        let start = if tokens.gap_before(index).ends_with("::") {
            token.start - 2
        } else {
            token.start
        };
        let mut end = tokens.at(last).map_or(token.end, |token| token.end);
        if tokens.gap(last).starts_with("::") {
            end += 2;
        }
        if let Some(span) = physical(tokens, index, last) {
            findings.add(span, Category::Device, Confidence::Strong);
        } else if end - start <= COLONS_BYTES_MAX {
            let written = text.get(start..end).unwrap_or("");
            if written.matches(':').count() >= 2 && written.len() > 2 && written.parse::<Ipv6Addr>().is_ok() {
                findings.add(start..end, Category::Ip, Confidence::Strong);
            }
        }
        index = last + 1;
    }
}

fn hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Six pairs, or eight (EUI-64), with one separator.
fn physical(tokens: &Tokens<'_>, first: usize, last: usize) -> Option<Range<usize>> {
    let count = last - first + 1;
    let separator = tokens.gap(first);
    let pairs = matches!(count, 6 | 8)
        && matches!(separator, ":" | "-")
        && (first..=last).all(|index| tokens.text(index).len() == 2);
    let same = (first..last).all(|index| tokens.gap(index) == separator);
    // Numbers alone are dates and counts, too, unless colons part them.
    let letters = (first..=last).any(|index| tokens.at(index).is_some_and(|token| token.kind != Kind::Number));
    (pairs && same && (letters || separator == ":"))
        .then(|| tokens.at(first).map_or(0, |token| token.start)..tokens.at(last).map_or(0, |token| token.end))
}
