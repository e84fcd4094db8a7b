//! Tests of the analysis.

use super::{Analysis, AnalysisError, analyse};
use crate::catalog::sample;

mod attempts;
mod facts;

fn run(sql: &str, target_has_masks: bool) -> Result<Analysis, AnalysisError> {
    let masked = |resource: &str| sample::MASKED.contains(&resource);
    let path = ["pg_temp_3", "pg_catalog", "public"].map(str::to_owned);
    analyse(sql, &sample::catalog(), &path, &masked, target_has_masks)
}
