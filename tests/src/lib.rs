//! Harness with real parts; flow stories, conformance, crash tables, benches.
