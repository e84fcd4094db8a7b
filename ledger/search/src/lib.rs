//! Full-text search over the ledger: a cache, rebuilt from the log.
