//! The proxy daemon: configuration, listeners, and one protocol crate per target kind.
