//! PostgreSQL through the gate.
