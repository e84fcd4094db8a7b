//! Statements that were read before: drivers send the same text again and again.
//!
//! What is kept holds for one catalog, one search path (it is a part of the catalog) and one policy; the session forgets
//! all of it when one of them changes.

use std::collections::HashMap;
use std::sync::Arc;

use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;

use crate::analysis::{Analysis, AnalysisError, Columns, Identifying, analyse, analyse_enforced};
use crate::catalog::Catalog;
use crate::config::Masking;

/// Texts that are kept at the most; the prepared statements of a driver are some hundred.
const TEXTS_MAX: usize = 1_024;

/// Bytes of a text that is kept at the most; longer ones are data that does not come again.
const TEXT_BYTES_MAX: usize = 8 * 1_024;

/// Analyses by exact text.
#[derive(Default)]
pub(crate) struct Read {
    analyses: HashMap<String, Arc<Analysis>>,
    policy: Option<Digest>,
}

impl Read {
    /// Forgets everything: names may mean something else.
    pub(crate) fn forget(&mut self) {
        self.analyses.clear();
    }

    /// What a text does.
    pub(crate) fn analysis(
        &mut self,
        sql: &str,
        catalog: &Catalog,
        policy: &Snapshot,
        target: &str,
        masking: Masking,
    ) -> Result<Arc<Analysis>, AnalysisError> {
        if self.policy != Some(policy.digest()) {
            self.forget();
            self.policy = Some(policy.digest());
        }
        if let Some(analysis) = self.analyses.get(sql) {
            return Ok(Arc::clone(analysis));
        }
        let masked = |resource: &str| policy.mask(target, resource).is_some();
        let present = policy.masks_target(target);
        let identifying = |relation: &str| policy.identifying(target, relation).map(str::to_owned);
        let identifying: Option<Identifying<'_>> = policy.names_patients(target).then_some(&identifying);
        let analysis = match masking {
            Masking::Database if present => analyse_enforced(sql, catalog, &masked, identifying)?,
            Masking::Database | Masking::Proxy => {
                let columns = Columns {
                    masked: &masked,
                    probed: &|resource| policy.probed(target, resource),
                };
                let columns = present.then_some(columns);
                analyse(sql, catalog, catalog.search_path(), columns, identifying)?
            }
        };
        let analysis = Arc::new(analysis);
        if sql.len() <= TEXT_BYTES_MAX {
            if self.analyses.len() >= TEXTS_MAX {
                // Beginning again costs one analysis each, and needs no order of use.
                self.forget();
            }
            self.analyses.insert(sql.to_owned(), Arc::clone(&analysis));
        }
        Ok(analysis)
    }
}
