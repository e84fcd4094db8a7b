//! Words: how text is cut, in documents and in questions alike.
//!
//! A word is a run of letters and digits (Unicode), in lower case. `public.patients` is two words, one after the other.

use tantivy::tokenizer::{LowerCaser, RemoveLongFilter, SimpleTokenizer, TextAnalyzer};

/// Name under which the index knows [`analyzer`].
pub(crate) const ANALYZER: &str = "exhibit-words";

/// Bytes of a word at the most; longer runs (encoded blobs) are not indexed, and a question with one is refused. Hashes
/// in hexadecimal (128 bytes for SHA-512) and tokens fit.
pub(crate) const WORD_BYTES_MAX: usize = 255;

/// The analyzer of the text field.
pub(crate) fn analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(LowerCaser)
        // The filter keeps what is shorter than its limit.
        .filter(RemoveLongFilter::limit(WORD_BYTES_MAX + 1))
        .build()
}

/// A word and where it begins, in bytes of the text.
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) from: usize,
}

/// All words of a text, long ones too.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let mut analyzer = TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(LowerCaser)
        .build();
    let mut stream = analyzer.token_stream(text);
    let mut words = Vec::new();
    while stream.advance() {
        let token = stream.token();
        words.push(Word {
            text: token.text.clone(),
            from: token.offset_from,
        });
    }
    words
}
