//! Answers of a store of objects, as the agent got them: head, and of a body the first lines where it is text.
//!
//! Not here: rows, which such an answer does not have.

use exhibit_schemas::event::access::{Frame, ResponseChunk};

use super::Lines;

/// The protocol of sessions with such answers.
pub(super) const PROTOCOL: &str = "s3";

/// Characters of a line that are shown.
const LINE_CHARACTERS: usize = 180;

/// Bytes of a letter that a piece of a text can begin in the middle of, and as many that it can end in.
const LETTER_BYTES_MAX: usize = 3;

/// What a chunk released, in so many lines at the most.
pub(super) fn answer(lines: &mut Lines, chunk: &ResponseChunk, most: usize) {
    let bytes: Vec<u8> = chunk.frames.iter().flat_map(verbatim).copied().collect();
    let Some(text) = text(&bytes) else {
        return lines.add(&format!("and {} bytes that are no text", bytes.len()));
    };
    let mut all = text.lines().filter(|line| !line.is_empty());
    for line in all.by_ref().take(most) {
        let shown: String = line.chars().take(LINE_CHARACTERS).collect();
        let cut = if shown.len() < line.len() { " …" } else { "" };
        lines.add(&format!("| {shown}{cut}"));
    }
    let more = all.count();
    if more > 0 {
        lines.add(&format!("and {more} lines more, {} bytes in all", bytes.len()));
    }
}

fn verbatim(frame: &Frame) -> &[u8] {
    match frame {
        Frame::Verbatim(bytes) => &bytes.0,
        Frame::Row(_) => &[],
    }
}

/// The text of a piece, without the parts of letters at its ends; `None` where it is none.
fn text(bytes: &[u8]) -> Option<&str> {
    let is_inside = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    let begun = bytes
        .iter()
        .take(LETTER_BYTES_MAX)
        .take_while(|byte| is_inside(byte))
        .count();
    let bytes = bytes.get(begun..)?;
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?,
        Err(_) => return None,
    };
    let is_control = |letter: char| letter.is_control() && !matches!(letter, '\t' | '\n' | '\r');
    (!text.contains(is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::cbor::Bytes;
    use exhibit_schemas::event::access::{Frame, ResponseChunk};

    use super::{Lines, answer};

    fn shown(pieces: &[&[u8]], most: usize) -> String {
        let frames = pieces.iter().map(|piece| Frame::Verbatim(Bytes(piece.to_vec())));
        let chunk = ResponseChunk {
            command: 0,
            chunk: 0,
            columns: None,
            framed_rows: None,
            patients: None,
            frames: frames.collect(),
        };
        let mut lines = Lines(Vec::new());
        answer(&mut lines, &chunk, most);
        lines.0.join("\n")
    }

    #[test]
    fn text_is_shown_in_lines_and_everything_else_by_its_length() {
        let head = b"HTTP/1.1 200\r\ncontent-type: text/csv\r\n\r\n";
        assert_eq!(shown(&[head], 9), "| HTTP/1.1 200\n| content-type: text/csv");
        let table = b"id,mrn\n1,tok_a\n2,tok_b\n3,tok_c\n";
        assert_eq!(
            shown(&[&table[..10], &table[10..]], 2),
            "| id,mrn\n| 1,tok_a\nand 2 lines more, 31 bytes in all"
        );
        assert_eq!(shown(&["é".as_bytes(), b"a"], 9), "| éa");
        // A piece is cut anywhere.
        assert_eq!(shown(&[&"é,b,é".as_bytes()[1..6]], 9), "| ,b,");
        assert_eq!(shown(&[b"PAR1\0\x01"], 9), "and 6 bytes that are no text");
        assert_eq!(shown(&[b"a\xff\xffb"], 9), "and 4 bytes that are no text");
        assert_eq!(shown(&[b"a\x1b[2J"], 9), "and 5 bytes that are no text");
        assert!(shown(&["x".repeat(999).as_bytes()], 9).ends_with("x …"));
    }
}
