//! The append-only Merkle ledger: committer, tiles, receipts, approvals queue, export, API.
