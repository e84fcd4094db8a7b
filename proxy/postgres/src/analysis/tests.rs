//! Tests of the analysis.

use exhibit_schemas::event::access::Facts;

use super::{Analysis, AnalysisError, Columns, analyse};
use crate::catalog::{Catalog, sample};

pub(crate) mod attempts;
mod extent;
mod facts;
mod grants;
mod lineage;
mod probes;
mod reach;

fn run(sql: &str, target_has_masks: bool) -> Result<Analysis, AnalysisError> {
    run_probing(sql, target_has_masks, &|_| false)
}

/// The same under a policy that lets values be tried on those columns.
fn run_probing(sql: &str, target_has_masks: bool, probed: &dyn Fn(&str) -> bool) -> Result<Analysis, AnalysisError> {
    let masked = |resource: &str| sample::MASKED.contains(&resource);
    let columns = target_has_masks.then_some(Columns {
        masked: &masked,
        probed,
    });
    let path = ["pg_temp_3", "pg_catalog", "public"].map(str::to_owned);
    let catalog = sample::catalog();
    let analysis = analyse(sql, &catalog, &path, columns, None);
    // Every statement of these tests means the same under the recorded catalog, which knows no temporary relation.
    if !sql.contains("scratch") {
        let recorded = Catalog::from_snapshot(&sample::recorded(&catalog)).expect("what was recorded is read");
        let again = analyse(sql, &recorded, &path[1..], columns, None);
        assert_eq!(facts(&again), facts(&analysis), "{sql}");
    }
    analysis
}

fn facts(analysis: &Result<Analysis, AnalysisError>) -> Result<&Facts, &AnalysisError> {
    analysis.as_ref().map(|analysis| &analysis.facts)
}
