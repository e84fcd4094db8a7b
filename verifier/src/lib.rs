//! The auditor's offline verifier: checks, replay, report.
