//! Names, types and samples of a database's columns, for a proposal of masks. An administrator asks, not an agent.
//!
//! Samples are read in one transaction that may only read, a few rows at a time, each value cut by the server; a value goes
//! into [`ColumnScan`], which keeps counts alone, and then is gone. Large tables are sampled by page (`TABLESAMPLE SYSTEM`).
//! Views and foreign tables are taken by names and types: their rows are others', and reading them can cost anything.
//!
//! Not here: what a column seems to hold (policy).

use exhibit_policy::scan::{ColumnScan, Kind, VALUE_BYTES_MAX};

use crate::enforce::{Administrator, AdministratorError, identifier};

/// Rows that are fetched at once: what is in memory is this many times the columns of a relation, each of
/// [`VALUE_BYTES_MAX`] characters at the most.
const FETCHED_ROWS: u32 = 50;

/// How many times more rows than are wanted a table has before it is sampled by page; below, its first rows are read.
const LARGE: f64 = 20.0;

const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL statement_timeout = '30s'; \
SET LOCAL lock_timeout = '5s'; SET LOCAL datestyle = 'ISO'";

/// Relations and columns, with the type below domains. What a proxy installs, and partitions, which their parents stand for,
/// are left out.
const COLUMNS: &str = "\
SELECT n.nspname, c.relname, c.relkind, c.reltuples, a.attname, CASE \
  WHEN below.oid IN ('json'::regtype, 'jsonb'::regtype) THEN 'json' \
  WHEN below.oid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) THEN 'date' \
  WHEN below.typcategory = 'S' THEN 'text' \
  WHEN below.typcategory IN ('N', 'B', 'T') OR below.oid IN ('uuid'::regtype, 'time'::regtype, 'timetz'::regtype) THEN 'bare' \
  ELSE 'other' END \
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
CROSS JOIN LATERAL (WITH RECURSIVE down AS (SELECT t.* FROM pg_type t WHERE t.oid = a.atttypid \
  UNION ALL SELECT t.* FROM down JOIN pg_type t ON t.oid = down.typbasetype WHERE down.typtype = 'd') \
  SELECT oid, typcategory FROM down WHERE typtype <> 'd') below \
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND NOT c.relispartition \
AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'exhibit') \
ORDER BY n.nspname, c.relname, a.attnum";

/// What a database's columns seem to hold.
#[derive(Debug, Default)]
pub struct Survey {
    /// All columns, by relation and in their order.
    pub columns: Vec<ColumnScan>,
    /// Relations of which no rows were read, and the SQLSTATE that the server gave.
    pub unread: Vec<(String, String)>,
}

/// A relation, and where its columns stand in the survey.
struct Relation {
    schema: String,
    name: String,
    /// Its rows can be read at what rows cost.
    stored: bool,
    /// Rows, as far as the server knows.
    rows: f64,
    /// The names of columns whose values are looked at, and their places.
    columns: Vec<(String, usize)>,
}

impl Administrator {
    /// Looks at the columns of a database, and at so many rows of each relation. `progress` is told how many relations of
    /// how many are done.
    ///
    /// # Errors
    /// [`AdministratorError`]; a relation that cannot be read is not one.
    pub async fn survey(
        &mut self,
        rows: u32,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Survey, AdministratorError> {
        self.statement(BEGIN).await?;
        let survey = self.look(rows, progress).await;
        self.statement("ROLLBACK").await?;
        survey
    }

    async fn look(
        &mut self,
        rows: u32,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Survey, AdministratorError> {
        let mut survey = Survey::default();
        let mut relations: Vec<Relation> = Vec::new();
        for row in self.statement(COLUMNS).await? {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            let mut next = || cells.next().unwrap_or_default();
            let (schema, name, form, tuples, column, kind) = (next(), next(), next(), next(), next(), next());
            let scan = ColumnScan::new(&format!("{schema}.{name}.{column}"), &column, kind_of(&kind));
            if relations
                .last()
                .is_none_or(|last| last.schema != schema || last.name != name)
            {
                relations.push(Relation {
                    schema,
                    name,
                    stored: matches!(form.as_str(), "r" | "p" | "m"),
                    rows: tuples.parse().unwrap_or(-1.0),
                    columns: Vec::new(),
                });
            }
            if scan.wants_values()
                && let Some(relation) = relations.last_mut()
            {
                relation.columns.push((column, survey.columns.len()));
            }
            survey.columns.push(scan);
        }
        let all = relations.len();
        for (done, relation) in relations.iter().enumerate() {
            progress(done, all);
            if relation.stored && !relation.columns.is_empty() && rows > 0 {
                self.sampled(relation, rows, &mut survey).await?;
            }
        }
        progress(all, all);
        Ok(survey)
    }

    async fn sampled(&mut self, relation: &Relation, rows: u32, survey: &mut Survey) -> Result<(), AdministratorError> {
        self.statement("SAVEPOINT relation").await?;
        match self.rows(relation, rows, survey).await {
            Ok(()) => {}
            Err(AdministratorError::Refused { code, .. }) => {
                self.statement("ROLLBACK TO relation").await?;
                let name = format!("{}.{}", relation.schema, relation.name);
                survey.unread.push((name, code));
            }
            Err(error) => return Err(error),
        }
        self.statement("RELEASE relation").await?;
        Ok(())
    }

    async fn rows(&mut self, relation: &Relation, rows: u32, survey: &mut Survey) -> Result<(), AdministratorError> {
        self.statement(&format!(
            "DECLARE sample NO SCROLL CURSOR FOR {}",
            sample(relation, rows)
        ))
        .await?;
        loop {
            let fetched = self.statement(&format!("FETCH {FETCHED_ROWS} FROM sample")).await?;
            if fetched.is_empty() {
                break;
            }
            for row in fetched {
                for (cell, (_, place)) in row.into_iter().zip(&relation.columns) {
                    if let (Some(value), Some(column)) = (cell, survey.columns.get_mut(*place)) {
                        column.value(&value);
                    }
                }
            }
        }
        self.statement("CLOSE sample").await?;
        Ok(())
    }
}

fn kind_of(word: &str) -> Kind {
    match word {
        "text" => Kind::Text,
        "json" => Kind::Json,
        "date" => Kind::Date,
        "bare" => Kind::Bare,
        _ => Kind::Other,
    }
}

/// The query of a relation's sample.
fn sample(relation: &Relation, rows: u32) -> String {
    let columns = relation.columns.iter().map(|(name, _)| {
        // A document that is cut is no document any more; whoever looks at it takes it as text.
        format!("left({}::text, {VALUE_BYTES_MAX})", identifier(name))
    });
    let columns: Vec<String> = columns.collect();
    let wanted = f64::from(rows);
    let pages = if relation.rows > wanted * LARGE {
        // Twice the share that is wanted, because rows of one page resemble each other and pages are not full.
        format!(" TABLESAMPLE SYSTEM ({})", (wanted * 200.0 / relation.rows).min(100.0))
    } else {
        String::new()
    };
    format!(
        "SELECT {} FROM {}.{}{pages} LIMIT {rows}",
        columns.join(", "),
        identifier(&relation.schema),
        identifier(&relation.name)
    )
}

#[cfg(test)]
mod tests {
    use super::{Relation, sample};

    #[test]
    fn a_large_table_is_sampled_by_page_and_names_stay_names() {
        let mut relation = Relation {
            schema: "public".to_owned(),
            name: "a\"b".to_owned(),
            stored: true,
            rows: 20_000.0,
            columns: vec![("na me".to_owned(), 0)],
        };
        let whole = "SELECT left(\"na me\"::text, 4096) FROM \"public\".\"a\"\"b\" LIMIT 1000";
        assert_eq!(sample(&relation, 1000), whole);
        relation.rows = 20_001_000.0;
        assert!(sample(&relation, 1000).contains("\"a\"\"b\" TABLESAMPLE SYSTEM (0.00999"));
    }
}
