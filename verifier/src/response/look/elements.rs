//! The elements of an array of one dimension, in both formats.

/// The elements of an array of one dimension that are not NULL, in either format.
pub(super) fn of(cell: &[u8]) -> Option<Vec<Vec<u8>>> {
    match std::str::from_utf8(cell).ok().and_then(|text| text.strip_prefix('{')) {
        Some(text) => text_elements(text.strip_suffix('}')?),
        None => binary_elements(cell),
    }
}

fn text_elements(inside: &str) -> Option<Vec<Vec<u8>>> {
    let mut elements = Vec::new();
    let mut rest = inside.chars();
    let mut element = String::new();
    let mut quoted = false;
    while !inside.is_empty() {
        match rest.next() {
            Some('"') => {
                quoted = true;
                loop {
                    match rest.next()? {
                        '"' => break,
                        '\\' => element.push(rest.next()?),
                        character => element.push(character),
                    }
                }
            }
            Some(character) if character != ',' => element.push(character),
            end => {
                let element = std::mem::take(&mut element);
                if quoted || element != "NULL" {
                    elements.push(element.into_bytes());
                }
                quoted = false;
                if end.is_none() {
                    break;
                }
            }
        }
    }
    Some(elements)
}

fn binary_elements(mut cell: &[u8]) -> Option<Vec<Vec<u8>>> {
    let number = |cell: &mut &[u8]| {
        let (number, rest) = cell.split_first_chunk()?;
        *cell = rest;
        Some(i32::from_be_bytes(*number))
    };
    let dimensions = number(&mut cell)?;
    // Whether NULLs are there, and the type.
    number(&mut cell).and(number(&mut cell))?;
    let count = match dimensions {
        0 => 0,
        1 => {
            let count = number(&mut cell)?;
            number(&mut cell)?;
            count
        }
        _ => return None,
    };
    let mut elements = Vec::new();
    for _ in 0..count {
        if let Ok(length) = usize::try_from(number(&mut cell)?) {
            let (element, rest) = cell.split_at_checked(length)?;
            elements.push(element.to_vec());
            cell = rest;
        }
    }
    cell.is_empty().then_some(elements)
}
