//! Searchers: questions answered from the last commit, newest first, page by page.

use std::sync::{Arc, PoisonError, RwLock};

use exhibit_schemas::merkle::Index as EntryIndex;
use tantivy::collector::{Count, TopDocs};
use tantivy::query::{AllQuery, BooleanQuery, Occur, PhraseQuery, Query as StoreQuery, RangeQuery, TermQuery};
use tantivy::schema::{IndexRecordOption, Value as _};
use tantivy::{IndexReader, Order, TantivyDocument, Term};

use crate::document::Fields;
use crate::index::{SearchError, values};
use crate::query::{Filter, Query, QueryError};
use crate::snippet::{TEXTS_MAX, snippet};

/// Hits of one page at the most.
pub const LIMIT_MAX: usize = 1_000;

/// Hits of one page where the question does not say.
pub const LIMIT_DEFAULT: usize = 50;

/// What `GET /v1/search` takes.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The question, in the language of [`crate::query`].
    #[serde(default)]
    pub q: String,
    /// Hits of the page, 1 to [`LIMIT_MAX`]; [`LIMIT_DEFAULT`] when absent.
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub cursor: Option<u64>,
}

/// A page of hits, newest first.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Results {
    /// The hits, from the latest entry of the log down.
    pub hits: Vec<Hit>,
    /// Events that match, on all pages.
    pub matches: u64,
    /// Where the next page begins; absent on the last one.
    pub next: Option<u64>,
    /// Entries of the log that were searched; later ones are not indexed yet.
    pub high_water: u64,
}

/// One event that matches.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hit {
    /// Its index in the log.
    pub index: u64,
    /// Its time, unix microseconds, by its emitter's clock.
    pub time: u64,
    /// Its kind.
    pub kind: String,
    /// The session that it belongs to or is about.
    pub session: Option<String>,
    /// Subject of the session's principal.
    pub agent: Option<String>,
    /// Target of the session.
    pub target: Option<String>,
    /// What the policy said.
    pub decision: Option<String>,
    /// What the gate did.
    pub outcome: Option<String>,
    /// Rules that matched and were not enforced.
    pub observed: Vec<String>,
    /// People who decided.
    pub approvers: Vec<String>,
    /// A piece of its statement, released row or reason, as it stands in the event: masked.
    pub snippet: String,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The question is at fault (HTTP 400).
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The page size is at fault (HTTP 400).
    #[error("a page has 1 to {LIMIT_MAX} hits, not {limit}")]
    Limit {
        /// The size that was asked for.
        limit: usize,
    },
    /// The index is at fault (HTTP 500).
    #[error(transparent)]
    Search(#[from] SearchError),
}

impl AnswerError {
    /// Whether the caller can mend it.
    pub const fn blames_caller(&self) -> bool {
        matches!(self, Self::Query(_) | Self::Limit { .. })
    }
}

/// Reads the index from any thread; clones share one view, which each commit moves on.
#[derive(Clone)]
pub struct Searcher {
    fields: Fields,
    view: Arc<RwLock<View>>,
}

/// The reader, and the mark of the commit that it shows.
#[derive(Clone)]
struct View {
    reader: IndexReader,
    searcher: tantivy::Searcher,
    high_water: EntryIndex,
}

impl Searcher {
    pub(crate) fn new(fields: Fields, reader: IndexReader, high_water: EntryIndex) -> Self {
        let view = View {
            searcher: reader.searcher(),
            reader,
            high_water,
        };
        Self {
            fields,
            view: Arc::new(RwLock::new(view)),
        }
    }

    /// Answers the parameters of an HTTP request.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn answer(&self, parameters: &Parameters) -> Result<Results, AnswerError> {
        let query = Query::parse(&parameters.q)?;
        let limit = parameters.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(AnswerError::Limit { limit });
        }
        Ok(self.search(&query, limit, parameters.cursor.map(EntryIndex))?)
    }

    /// The newest `limit` events (taken into 1 to [`LIMIT_MAX`]) that match, of those before `cursor`.
    ///
    /// # Errors
    /// [`SearchError::Store`].
    pub fn search(&self, query: &Query, limit: usize, cursor: Option<EntryIndex>) -> Result<Results, SearchError> {
        let limit = limit.clamp(1, LIMIT_MAX);
        let View {
            searcher, high_water, ..
        } = self.view();
        let whole = self.compile(query);
        let matches = searcher.search(whole.as_ref(), &Count)?;
        let page: Box<dyn StoreQuery> = match cursor {
            None => whole,
            Some(EntryIndex(cursor)) => {
                let before = RangeQuery::new(
                    std::ops::Bound::Unbounded,
                    std::ops::Bound::Excluded(Term::from_field_u64(self.fields.index, cursor)),
                );
                Box::new(BooleanQuery::intersection(vec![whole, Box::new(before)]))
            }
        };
        // One more than the page, to know whether another page follows.
        let order = TopDocs::with_limit(limit + 1).order_by_fast_field::<u64>("index", Order::Desc);
        let mut found = searcher.search(page.as_ref(), &order)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let mut hits = Vec::with_capacity(found.len());
        for (_, address) in found {
            hits.push(self.hit(&searcher.doc(address)?, query));
        }
        Ok(Results {
            next: hits.last().filter(|_| more).map(|hit| hit.index),
            hits,
            matches: u64::try_from(matches).expect("a count of documents fits 64 bits"),
            high_water: high_water.0,
        })
    }

    fn hit(&self, document: &TantivyDocument, query: &Query) -> Hit {
        let number = |field| {
            document
                .get_first(field)
                .and_then(|value| value.as_u64())
                .unwrap_or_default()
        };
        let word = |filter| values(document, &self.fields, filter).into_iter().next();
        let texts = document.get_all(self.fields.text).filter_map(|value| value.as_str());
        let texts: Vec<&str> = texts.take(TEXTS_MAX).collect();
        Hit {
            index: number(self.fields.index),
            time: number(self.fields.time),
            kind: word(Filter::Kind).unwrap_or_default(),
            session: word(Filter::Session),
            agent: word(Filter::Agent),
            target: word(Filter::Target),
            decision: word(Filter::Decision),
            outcome: word(Filter::Outcome),
            observed: values(document, &self.fields, Filter::Observed),
            approvers: values(document, &self.fields, Filter::Approver),
            snippet: snippet(&texts, &query.runs),
        }
    }

    fn compile(&self, query: &Query) -> Box<dyn StoreQuery> {
        let mut clauses: Vec<Box<dyn StoreQuery>> = Vec::new();
        for run in &query.runs {
            let terms: Vec<_> = run
                .iter()
                .map(|word| Term::from_field_text(self.fields.text, word))
                .collect();
            clauses.push(match <[Term; 1]>::try_from(terms) {
                Ok([term]) => Box::new(TermQuery::new(term, IndexRecordOption::Basic)),
                Err(terms) => Box::new(PhraseQuery::new(terms)),
            });
        }
        for (filter, values) in &query.filters {
            let field = self.fields.filter(*filter);
            let any = values
                .iter()
                .map(|value| (Occur::Should, exactly(Term::from_field_text(field, value))));
            clauses.push(Box::new(BooleanQuery::new(any.collect())));
        }
        if query.from.is_some() || query.to.is_some() {
            let time = |time: exhibit_schemas::event::Timestamp| Term::from_field_u64(self.fields.time, time.0);
            clauses.push(Box::new(RangeQuery::new(
                query
                    .from
                    .map_or(std::ops::Bound::Unbounded, |from| std::ops::Bound::Included(time(from))),
                query
                    .to
                    .map_or(std::ops::Bound::Unbounded, |to| std::ops::Bound::Excluded(time(to))),
            )));
        }
        if clauses.is_empty() {
            return Box::new(AllQuery);
        }
        Box::new(BooleanQuery::intersection(clauses))
    }

    /// One document that has all of these terms, of the last commit.
    pub(crate) fn one(&self, terms: &[Term]) -> Result<Option<TantivyDocument>, SearchError> {
        let clauses = terms.iter().map(|term| exactly(term.clone())).collect();
        let searcher = self.view().searcher;
        let order = TopDocs::with_limit(1).order_by_fast_field::<u64>("index", Order::Asc);
        let found = searcher.search(&BooleanQuery::intersection(clauses), &order)?;
        match found.first() {
            Some((_, address)) => Ok(Some(searcher.doc(*address)?)),
            None => Ok(None),
        }
    }

    pub(crate) fn reader(&self) -> tantivy::Searcher {
        self.view().searcher
    }

    /// Shows the commit that was just made.
    pub(crate) fn reload(&self, high_water: EntryIndex) -> Result<(), SearchError> {
        let reader = self.view().reader;
        reader.reload()?;
        self.show(View {
            searcher: reader.searcher(),
            reader,
            high_water,
        });
        Ok(())
    }

    /// Every clone of this searcher reads what the other one reads from now on.
    pub(crate) fn show_as(&self, other: &Self) {
        self.show(other.view());
    }

    fn view(&self) -> View {
        // A view is replaced whole, so a panic elsewhere cannot leave half of one.
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn show(&self, view: View) {
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = view;
    }
}

impl std::fmt::Debug for Searcher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Searcher({})", self.view().high_water)
    }
}

fn exactly(term: Term) -> Box<dyn StoreQuery> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}
