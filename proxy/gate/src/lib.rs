//! The one pipeline from a request to released evidence.
