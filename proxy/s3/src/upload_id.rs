//! Ids of uploads to objects that are not open: bound to whoever began the upload, and of use to nobody else.
//!
//! ```text
//! what a store calls it:   2~5XpLRN…
//! what its agent is told:  2~5XpLRN….0f3c…   (a mark of 16 bytes, of the agent, the object and the id, in hex)
//! ```
//!
//! Whoever may name an upload of somebody else learns by `CompleteMultipartUpload` whether a guess is the hash of one of its parts. The id
//! alone is no secret that holds: stores list uploads in the order of their ids, so some two hundred lists find one.

use exhibit_policy::mask::MaskKey;
use exhibit_schemas::event::access::Principal;
use subtle::ConstantTimeEq as _;

/// What the marks of ids are of, among all that the key marks.
const DOMAIN: &str = "exhibit upload";

/// The id as its agent is told.
pub(crate) fn bound(key: &MaskKey, principal: &Principal, object: &str, id: &str) -> String {
    format!("{id}.{}", mark(key, principal, object, id))
}

/// The id as the store knows it, where this agent began this upload.
pub(crate) fn unbound<'a>(key: &MaskKey, principal: &Principal, object: &str, told: &'a str) -> Option<&'a str> {
    let (id, own) = told.rsplit_once('.')?;
    let wanted = mark(key, principal, object, id);
    bool::from(wanted.as_bytes().ct_eq(own.as_bytes())).then_some(id)
}

fn mark(key: &MaskKey, principal: &Principal, object: &str, id: &str) -> String {
    // No name has a NUL in it, so no two lists of parts are the same bytes.
    let parts = [&principal.issuer, &principal.subject, object, id].join("\0");
    hex::encode(key.token_bytes(DOMAIN, parts.as_bytes()))
}

#[cfg(test)]
mod tests {
    use exhibit_policy::mask::MaskKey;
    use exhibit_schemas::digest::Digest;
    use exhibit_schemas::event::access::Principal;

    use super::{bound, unbound};

    fn principal(subject: &str) -> Principal {
        Principal {
            method: "oidc".to_owned(),
            issuer: "https://issuer.example".to_owned(),
            subject: subject.to_owned(),
            client_id: None,
            groups: Vec::new(),
            evidence: Digest([0; 32]),
            run: None,
        }
    }

    #[test]
    fn an_id_is_of_use_to_who_began_the_upload_of_that_object_alone() {
        let (key, one) = (MaskKey::new([7; 32]), principal("one"));
        let told = bound(&key, &one, "b/k", "2~a.b");
        assert_eq!(unbound(&key, &one, "b/k", &told), Some("2~a.b"));
        assert_eq!(unbound(&key, &principal("other"), "b/k", &told), None);
        assert_eq!(unbound(&key, &one, "b/l", &told), None);
        assert_eq!(unbound(&MaskKey::new([8; 32]), &one, "b/k", &told), None);
        for other in [
            "2~a.b",
            "",
            ".",
            "2~a.c.0",
            &told.replace("2~a", "2~b"),
            &told.to_uppercase(),
        ] {
            assert_eq!(unbound(&key, &one, "b/k", other), None, "{other}");
        }
    }
}
