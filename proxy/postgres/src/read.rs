//! Statements that were read before: drivers send the same text again and again.
//!
//! What is kept holds for one catalog, one search path (it is a part of the catalog) and one policy; the session forgets
//! all of it when one of them changes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;

use crate::analysis::{Analysis, AnalysisError, Columns, Identifying, analyse, analyse_enforced};
use crate::catalog::Catalog;
use crate::config::Masking;

/// Texts that are kept at the most; the prepared statements of a driver are some hundred.
const TEXTS_MAX: usize = 1_024;

/// Bytes of texts and what was read of them that are kept at the most: what a short text does can be long.
const BYTES_MAX: usize = 8 << 20;

/// Bytes of a text that is kept at the most; longer ones are data that does not come again.
const TEXT_BYTES_MAX: usize = 8 * 1_024;

/// Analyses by exact text.
#[derive(Default)]
pub struct Read {
    analyses: HashMap<Arc<str>, Arc<Analysis>>,
    /// The texts in the order in which they came, with the bytes of each and its analysis.
    order: VecDeque<(Arc<str>, usize)>,
    bytes: usize,
    policy: Option<Digest>,
}

impl Read {
    /// Forgets everything: names may mean something else.
    pub fn forget(&mut self) {
        self.analyses.clear();
        self.order.clear();
        self.bytes = 0;
    }

    /// What a text does.
    ///
    /// # Errors
    /// [`AnalysisError`].
    pub fn analysis(
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
        self.keep(sql, &analysis);
        Ok(analysis)
    }

    /// Keeps what was read; the oldest goes where there is no room.
    fn keep(&mut self, sql: &str, analysis: &Arc<Analysis>) {
        let bytes = 2 * size_of::<Arc<str>>() + sql.len() + analysis.bytes();
        if sql.len() > TEXT_BYTES_MAX || bytes > BYTES_MAX {
            return;
        }
        while self.order.len() >= TEXTS_MAX || self.bytes.saturating_add(bytes) > BYTES_MAX {
            let Some((oldest, freed)) = self.order.pop_front() else {
                break;
            };
            self.analyses.remove(&oldest);
            self.bytes = self.bytes.saturating_sub(freed);
        }
        let text: Arc<str> = sql.into();
        self.order.push_back((Arc::clone(&text), bytes));
        self.bytes = self.bytes.saturating_add(bytes);
        self.analyses.insert(text, Arc::clone(analysis));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample;

    struct Texts {
        policy: Snapshot,
        catalog: Catalog,
        read: Read,
        bytes: usize,
    }

    impl Texts {
        fn of(bytes: usize) -> Self {
            let policy = "version = 1\n[[targets]]\nname = \"clinic\"\nprotocol = \"postgres\"\n";
            Self {
                policy: Snapshot::parse(policy.as_bytes()).expect("a policy"),
                catalog: sample::catalog(),
                read: Read::default(),
                bytes,
            }
        }

        /// What the text of that number does, which is about as long as all are.
        fn read(&mut self, number: usize) -> Arc<Analysis> {
            let text = format!("SELECT {number}, '{}'", "x".repeat(self.bytes));
            let read = self
                .read
                .analysis(&text, &self.catalog, &self.policy, "clinic", Masking::Proxy);
            read.expect("it is SQL")
        }
    }

    #[test]
    fn the_oldest_texts_go_where_there_are_too_many_or_too_long_ones() {
        for (bytes, most) in [(10, TEXTS_MAX), (8_000, BYTES_MAX / 8_000)] {
            let mut texts = Texts::of(bytes);
            let (first, second) = (texts.read(0), texts.read(1));
            let mut read = 2;
            while Arc::strong_count(&first) > 1 {
                texts.read(read);
                read += 1;
            }
            assert!(read - 1 <= most && read > most / 2, "{read} of {most}");
            assert!(texts.read.bytes <= BYTES_MAX);
            assert_eq!(Arc::strong_count(&second), 2, "only the oldest went");
            assert_eq!(
                (texts.read.analyses.len(), texts.read.order.len()),
                (read - 1, read - 1)
            );
            assert!(Arc::ptr_eq(&second, &texts.read(1)));
            texts.read.forget();
            assert_eq!((texts.read.bytes, texts.read.order.len()), (0, 0));
        }
    }
}
