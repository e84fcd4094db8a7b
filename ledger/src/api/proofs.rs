//! Proofs: hashes and signatures of the log, which tell nothing of what its entries say.

use axum::extract::{Path, Query, State};
use axum::response::Json;
use exhibit_schemas::merkle::{self, Index, TreeSize};
use exhibit_schemas::proof::EventProof;
use exhibit_schemas::seal::{BATCH_EVENTS_MAX, SEAL_FIRST_BYTE};
use serde::Deserialize;

use super::{Api, ApiError, blocking};
use crate::error::LedgerError;
use crate::ledger::Ledger;

pub(super) async fn event_proof(State(api): State<Api>, Path(index): Path<u64>) -> Result<String, ApiError> {
    blocking(move || prove_event(&api.ledger, index)).await
}

/// Finds the batch of an event: the entries after the seal before it, up to its own seal.
fn prove_event(ledger: &Ledger, index: u64) -> Result<String, ApiError> {
    let head = ledger.shared().head();
    let limit = u64::try_from(BATCH_EVENTS_MAX).unwrap_or(u64::MAX);
    let read = |index: u64| -> Result<Vec<u8>, ApiError> {
        let entry = ledger.entry(Index(index))?;
        entry.ok_or(ApiError::Nothing("the log does not reach that far"))
    };
    if read(index)?.first() == Some(&SEAL_FIRST_BYTE) {
        return Err(ApiError::Question("that entry is a seal; ask for one of its events"));
    }
    let mut first = index;
    while first > 0 && index - first < limit && read(first - 1)?.first() != Some(&SEAL_FIRST_BYTE) {
        first -= 1;
    }
    let mut leaves = Vec::new();
    let mut place = first;
    let seal = loop {
        let entry = read(place)?;
        if entry.first() == Some(&SEAL_FIRST_BYTE) {
            break entry;
        }
        leaves.push(exhibit_schemas::digest::Digest::leaf(&entry));
        place += 1;
    };
    let made = EventProof::make(
        Index(place),
        seal.into(),
        &leaves,
        index - first,
        &head,
        &ledger.nodes(),
    );
    let damaged = LedgerError::Damaged {
        rule: "a batch of the log cannot be proven",
    };
    Ok(made.map_err(|_| damaged)?.to_text())
}

#[derive(Deserialize)]
pub(super) struct InclusionQuestion {
    index: u64,
    size: u64,
}

pub(super) async fn inclusion_proof(
    State(api): State<Api>,
    Query(asked): Query<InclusionQuestion>,
) -> Result<Json<Vec<String>>, ApiError> {
    blocking(move || {
        covered(&api.ledger, asked.size)?;
        let made = merkle::inclusion_proof(Index(asked.index), TreeSize(asked.size), &api.ledger.nodes());
        let hashes = made.map_err(|error| ApiError::Ledger(error.into()))?;
        Ok(Json(hashes.iter().map(ToString::to_string).collect()))
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct ConsistencyQuestion {
    from: u64,
    to: u64,
}

pub(super) async fn consistency_proof(
    State(api): State<Api>,
    Query(asked): Query<ConsistencyQuestion>,
) -> Result<Json<Vec<String>>, ApiError> {
    blocking(move || {
        covered(&api.ledger, asked.to)?;
        let made = merkle::consistency_proof(TreeSize(asked.from), TreeSize(asked.to), &api.ledger.nodes());
        let hashes = made.map_err(|error| ApiError::Ledger(error.into()))?;
        Ok(Json(hashes.iter().map(ToString::to_string).collect()))
    })
    .await
}

fn covered(ledger: &Ledger, size: u64) -> Result<(), ApiError> {
    if size <= ledger.shared().head().size().0 {
        Ok(())
    } else {
        Err(ApiError::Nothing("the log does not reach that far"))
    }
}
