//! Tests of the analysis.

use exhibit_schemas::event::access::Facts;

use super::{Analysis, AnalysisError, analyse};
use crate::catalog::{Catalog, sample};

pub(crate) mod attempts;
mod facts;
mod lineage;
mod reach;

fn run(sql: &str, target_has_masks: bool) -> Result<Analysis, AnalysisError> {
    let masked = |resource: &str| sample::MASKED.contains(&resource);
    let path = ["pg_temp_3", "pg_catalog", "public"].map(str::to_owned);
    let catalog = sample::catalog();
    let analysis = analyse(sql, &catalog, &path, &masked, target_has_masks);
    // Every statement of these tests means the same under the recorded catalog, which knows no temporary relation.
    if !sql.contains("scratch") {
        let recorded = Catalog::from_snapshot(&sample::recorded(&catalog)).expect("what was recorded is read");
        let again = analyse(sql, &recorded, &path[1..], &masked, target_has_masks);
        assert_eq!(facts(&again), facts(&analysis), "{sql}");
    }
    analysis
}

fn facts(analysis: &Result<Analysis, AnalysisError>) -> Result<&Facts, &AnalysisError> {
    analysis.as_ref().map(|analysis| &analysis.facts)
}
