//! Masks of a reply's columns: by what was proven of the statement, and by the origins that the server names. Both must
//! agree, and where both name a mask the stronger one holds; a reply that is not what was proven is not released.
//!
//! Not here: what a mask does to a cell (policy), and the proof ([`crate::analysis`]).

use std::collections::BTreeMap;

use exhibit_policy::mask::{ColumnMask, Technique};
use exhibit_policy::snapshot::{Mask, Snapshot};
use exhibit_schemas::event::access::Column;

use crate::analysis::Output;
use crate::catalog::{Catalog, part};
use crate::message::backend::Field;
use crate::session::SessionError;
use crate::types;
use crate::{config, enforce};

/// What replies are masked by.
pub(crate) struct Masking<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) policy: &'a Snapshot,
    pub(crate) target: &'a str,
    /// Who masks.
    pub(crate) by: config::Masking,
}

impl Masking<'_> {
    /// Whether a description has the columns, by number and names, that were proven; before names are changed in it.
    ///
    /// # Errors
    /// [`SessionError::Origin`] when it has others.
    pub(super) fn agrees(fields: &[Field], expected: Option<&[Output]>) -> Result<(), SessionError> {
        let Some(outputs) = expected else { return Ok(()) };
        let named = |(field, output): (&Field, &Output)| output.name.as_ref().is_none_or(|name| *name == field.name);
        let same = outputs.len() == fields.len() && fields.iter().zip(outputs).all(named);
        same.then_some(()).ok_or(SessionError::Origin)
    }

    /// Columns as evidence has them, and the mask of each. `expected` is what was proven of the statement; without it the
    /// server's origins say all.
    ///
    /// # Errors
    /// [`SessionError::Origin`] when the reply is another one than was proven.
    pub(super) fn columns(
        &self,
        fields: &[Field],
        expected: Option<&[Output]>,
    ) -> Result<(Vec<Column>, Vec<Option<ColumnMask>>), SessionError> {
        let column = |(place, field): (usize, &Field)| {
            let expected = expected.map(|outputs| outputs.get(place).ok_or(SessionError::Origin));
            self.column(field, expected.transpose()?)
        };
        if expected.is_some_and(|outputs| outputs.len() != fields.len()) {
            return Err(SessionError::Origin);
        }
        let columns: Result<Vec<_>, _> = fields.iter().enumerate().map(column).collect();
        Ok(columns?.into_iter().unzip())
    }

    /// Whether a column is generated, as far as the catalog knows.
    pub(super) fn generated(&self, field: &Field) -> bool {
        let relation = self.catalog.relation(field.relation);
        relation.is_some_and(|relation| relation.generated.contains_key(&field.attribute))
    }

    /// The column that a column of an installed view stands for: the database has masked it. What stands for a view has the
    /// name of that, where it has room for it.
    fn installed(&self, field: &Field) -> Option<String> {
        let view = self.catalog.relation(field.relation)?;
        if self.by != config::Masking::Database || view.schema != enforce::SCHEMA {
            return None;
        }
        let column = view.columns.get(&field.attribute)?;
        let behind = view.depends_on.iter().filter_map(|oid| self.catalog.relation(*oid));
        let base = behind.into_iter().find(|relation| {
            let resource = relation.resource();
            let names = [enforce::view_name(&resource), enforce::writing_name(&resource)];
            relation.schema != enforce::SCHEMA && names.contains(&view.name)
        });
        Some(match base {
            Some(base) => base.column_resource(&column.name),
            None => format!("{}.{}", view.name, part(&column.name)),
        })
    }

    /// The resource that the server names as the origin of a column, with that which an installed view stands for.
    pub(super) fn origin(&self, field: &Field) -> Option<String> {
        let own = || match field.relation {
            0 => None,
            relation => self.catalog.resource(relation, field.attribute),
        };
        self.installed(field).or_else(own)
    }

    /// Whether a column comes from an installed view, so that what is masked of it is masked already.
    pub(super) fn masked_there(&self, field: &Field) -> bool {
        self.installed(field).is_some()
    }

    fn column(&self, field: &Field, expected: Option<&Output>) -> Result<(Column, Option<ColumnMask>), SessionError> {
        let origin = match field.relation {
            0 => None,
            relation => self.catalog.resource(relation, field.attribute),
        };
        if field.relation != 0 && origin.is_none() && self.policy.masks_target(self.target) {
            // The proxy does not know whose values these are, so it cannot know their mask.
            return Err(SessionError::Origin);
        }
        let installed = self.installed(field);
        let masked_there = installed.is_some();
        let origin = installed.or(origin);
        let mask = origin.as_deref().and_then(|origin| self.mask(origin));
        if let Some(output) = expected {
            same_origin(field, output, mask.is_some())?;
            if output.value.is_masked() {
                return self.proven(field, output, origin.as_deref());
            }
        }
        let technique = mask.map(|mask| &mask.technique);
        let column = shown(field, origin.clone(), mask, technique);
        let mask = mask.filter(|_| !masked_there).map(|mask| ColumnMask {
            mask: mask.name.clone(),
            technique: mask.technique.clone(),
            kind: types::kind(field.type_oid, field.binary),
        });
        Ok((column, mask))
    }

    /// A column that was proven to be masked, or to be computed from masked ones.
    fn proven(
        &self,
        field: &Field,
        output: &Output,
        origin: Option<&str>,
    ) -> Result<(Column, Option<ColumnMask>), SessionError> {
        let mut masks: BTreeMap<&str, (&Mask, String)> = BTreeMap::new();
        let own = output.value.masked.iter();
        let own = own.map(|(relation, attribute)| self.catalog.resource(*relation, *attribute));
        for resource in own {
            let resource = resource.ok_or(SessionError::Origin)?;
            let mask = self.mask(&resource).ok_or(SessionError::Origin)?;
            masks.entry(&mask.name).or_insert((mask, resource));
        }
        if let Some((origin, mask)) = origin.and_then(|origin| Some((origin, self.mask(origin)?))) {
            masks.entry(&mask.name).or_insert((mask, origin.to_owned()));
        }
        let single = masks.len() == 1;
        let (mask, resource) = masks.into_values().next().ok_or(SessionError::Origin)?;
        // Computed values show nothing, not even whether they are NULL, which an expression could have chosen.
        // Neither do keyed ones of which the server says no origin, where a name without a schema means whatever stands first in the
        // search path by now: another session may have put a table of guesses there since the catalog was loaded.
        let unsure = field.relation == 0 && output.value.replaceable && mask.technique.is_keyed();
        let technique = if output.value.bare && single && !unsure {
            mask.technique.clone()
        } else {
            Technique::Null
        };
        let column = shown(field, Some(resource), Some(mask), Some(&technique));
        let mask = ColumnMask {
            mask: mask.name.clone(),
            technique,
            kind: types::kind(field.type_oid, field.binary),
        };
        Ok((column, Some(mask)))
    }

    fn mask(&self, resource: &str) -> Option<&Mask> {
        self.policy.mask(self.target, resource)
    }
}

/// Columns that carry a mask of the policy and no mask of the proxy's: the database has masked them.
pub(super) fn masked_there(columns: &[Column], masks: &[Option<ColumnMask>]) -> Vec<(usize, String)> {
    let columns = columns.iter().zip(masks).enumerate();
    let there = columns.filter(|(_, (_, mask))| mask.is_none());
    there
        .filter_map(|(place, (column, _))| Some((place, column.mask.clone()?)))
        .collect()
}

/// Whether a column that the server describes is the one that was proven at its place.
fn same_origin(field: &Field, output: &Output, origin_is_masked: bool) -> Result<(), SessionError> {
    let value = &output.value;
    let origin = (field.relation, field.attribute);
    let same = match value.shown {
        _ if field.relation == 0 => true,
        Some(shown) => shown == origin,
        None => value.masked.contains(&origin) || !(value.is_masked() || origin_is_masked),
    };
    let clean = value.is_masked() || !origin_is_masked;
    (same && clean).then_some(()).ok_or(SessionError::Origin)
}

fn shown(field: &Field, origin: Option<String>, mask: Option<&Mask>, technique: Option<&Technique>) -> Column {
    Column {
        name: field.name.clone(),
        data_type: types::name(field.type_oid),
        origin,
        technique: technique.map(|technique| technique.as_str().to_owned()),
        mask: mask.map(|mask| mask.name.clone()),
        patients: None,
    }
}
