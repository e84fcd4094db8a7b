//! The phrases that nothing of ours may say.

/// What is never claimed, in lower case; spaces also match line ends and the marks of comments.
pub(crate) const NEVER: &[&str] = &[
    "hipaa certified",
    "hipaa-certified",
    "hipaa compliant",
    "hipaa-compliant",
    "hipaa approved",
    "makes you compliant",
    "guarantees",
    "anonymous",
    "100 % of phi",
    "100% of phi",
    "safe harbor",
    "de-identified",
    "deidentified",
    "tamper-proof",
    "tamperproof",
    "complete audit trail",
    "court-admissible",
    "court admissible",
    "meets the 2025 security rule",
    "ocr format",
    "fips validated",
    "fips-validated",
    "pdf/a conformant",
];

/// Lower case, with every run of space and comment marks as one space.
pub(crate) fn plain(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|character: char| character.is_whitespace());
    let words = words.filter(|word| !matches!(*word, "" | "//" | "//!" | "///" | "#" | "*"));
    words.collect::<Vec<_>>().join(" ")
}
