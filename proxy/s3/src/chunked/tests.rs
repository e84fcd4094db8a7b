//! Bodies: AWS's own examples, every error by name, any split of the input, and uploads that were changed.

mod golden;
mod mutated;
mod refused;
mod split;
mod upload;

use super::{Body, BodyError, ChecksumHeaders, Whole};
use crate::signature::tests::Request;

/// What came of an upload at a target that was promised the object's length.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// What the target had before the end.
    early: Vec<u8>,
    end: Result<Whole, BodyError>,
}

impl Outcome {
    /// The object, if the target has made one.
    fn object(&self) -> Option<Vec<u8>> {
        let whole = self.end.as_ref().ok()?;
        let mut object = self.early.clone();
        object.extend(whole.last().as_bytes());
        Some(object)
    }
}

/// Sends a body in the given pieces.
fn send<'a>(request: &Request, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let signed = request.verify().expect("the head is right");
    let body = request.head(|head| Body::new(&signed, head, ChecksumHeaders::OfTheBody));
    let mut early = Vec::new();
    let mut body = match body {
        Ok(body) => body,
        Err(error) => return Outcome { early, end: Err(error) },
    };
    for piece in pieces {
        match body.push(piece) {
            Ok(decoded) => early.extend(decoded.into_bytes()),
            Err(error) => {
                assert_eq!(body.push(piece), Err(error.clone()), "after an error comes the same");
                assert_eq!(body.finish(), Err(error.clone()), "and no end");
                return Outcome { early, end: Err(error) };
            }
        }
    }
    Outcome {
        early,
        end: body.finish(),
    }
}
