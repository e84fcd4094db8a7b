//! Everything that one statement names, wherever in its tree it stands.
//!
//! The tree of the grammar has about 270 kinds of nodes. This walk goes through all of them by their serialized form
//! (`{"node": {"Kind": {…}}}`), so that no field of no kind is left out; what a kind means is only asked where it matters.
//! Scoping is known for one thing alone: names of common table expressions (`WITH`), which hide relations.

use std::collections::BTreeSet;

use exhibit_schemas::event::access::Action;
use pg_query::protobuf::{CmdType, OnConflictAction};
use serde_json::{Map, Value};

use super::kind::Form;
use super::known;

pub(super) type Object = Map<String, Value>;

/// A relation that a statement names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fact about the name"
)]
pub(super) struct Range {
    /// The schema, where it is given.
    pub(super) schema: Option<String>,
    /// The name.
    pub(super) name: String,
    /// The name that columns are qualified with.
    pub(super) alias: String,
    /// Whether the alias gives the columns other names.
    pub(super) renames_columns: bool,
    /// What is done to it.
    pub(super) action: Action,
    /// Where in the tree it stands.
    pub(super) place: Place,
    /// Whether it is made in the temporary schema.
    pub(super) temporary: bool,
    /// Where its name begins in the text.
    pub(super) location: Option<usize>,
    /// Parts of the name that are given, the database's among them.
    pub(super) parts: usize,
    /// Whether relations below it are left out.
    pub(super) only: bool,
    /// Whether it has an alias of its own.
    pub(super) aliased: bool,
}

impl Range {
    /// Whether its rows are only read.
    pub(super) fn is_read(&self) -> bool {
        self.action == Action::Read
    }
}

/// Where a relation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Read by a query.
    Source,
    /// Changed by an `INSERT`, `UPDATE`, `DELETE` or `MERGE`.
    Target,
    /// Made by the statement: it need not be known yet.
    Made,
    /// Referenced by a foreign key.
    ForeignKey,
    /// The object of any other statement.
    Object,
}

/// One reference to a column: its parts, `None` for a star.
pub(super) type Reference = Vec<Option<String>>;

/// What one statement names.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fact about the statement"
)]
pub(super) struct Tree {
    /// Relations, without names of common table expressions.
    pub(super) ranges: Vec<Range>,
    /// Aliases of everything else that can stand in `FROM`.
    pub(super) derived: BTreeSet<String>,
    /// References to columns.
    pub(super) references: Vec<Reference>,
    /// The same, with the places where they begin in the text.
    pub(super) located: Vec<(usize, Reference)>,
    /// Columns that a `COPY` names.
    pub(super) copied_columns: BTreeSet<String>,
    /// Field selections on values: `(…).name`.
    pub(super) fields: BTreeSet<String>,
    /// Functions that are called.
    pub(super) functions: BTreeSet<Vec<String>>,
    /// The last names of all functions that are called, also of those that are known to be harmless where they stand.
    pub(super) called: BTreeSet<String>,
    /// Operators.
    pub(super) operators: BTreeSet<Vec<String>>,
    /// Types.
    pub(super) types: BTreeSet<Vec<String>>,
    /// Kinds of nodes.
    pub(super) kinds: BTreeSet<String>,
    /// Every name that stands as a string: columns of keys, of `USING`, of indexes.
    pub(super) names: BTreeSet<String>,
    /// Columns of indexes, and of the keys of `ON CONFLICT`.
    pub(super) keys: BTreeSet<String>,
    /// Names without a qualifier that a query sorts its rows by, as often as they stand there: outputs of its own before columns.
    pub(super) sorted: Vec<String>,
    /// Names of outputs, and of columns that aliases give.
    pub(super) output_names: BTreeSet<String>,
    /// A `NATURAL` join, or a join with an alias of its own.
    pub(super) opaque_join: bool,
    /// Columns that joins merge by `USING`.
    pub(super) merged: BTreeSet<String>,
    /// `FOR UPDATE` and its like.
    pub(super) locks: bool,
    /// A `RETURNING` list.
    pub(super) returns: bool,
    /// `RETURNING WITH (OLD AS …)`.
    pub(super) renames_old_new: bool,
    /// A `MERGE` that removes rows.
    pub(super) merge_deletes: bool,
    /// An `UPDATE` or `DELETE` without `WHERE`.
    pub(super) no_where: bool,
    /// Columns that it writes or compares are not all named.
    pub(super) writes_all: bool,
    /// A function is called over a window.
    pub(super) over: bool,
    /// A method of `TABLESAMPLE` other than the server's own.
    pub(super) foreign_sampling: bool,
    /// An `INSERT` that goes by the rows that are in its way.
    pub(super) conflicts: bool,
    /// Strings that stand in it, as the server reads them.
    pub(super) texts: BTreeSet<String>,
    /// What is read as a time is not written out: a cast of an expression, or a column that is made of a document.
    pub(super) computes_time: bool,
}

impl Tree {
    pub(super) fn of(value: &Value, form: &Form) -> Self {
        let mut tree = Self::default();
        let scope = Scope {
            hidden: BTreeSet::new(),
            action: form.class.action(),
            place: Place::Object,
        };
        tree.value("", value, &scope);
        if form.sets {
            // It is the one function that there is, and as harmless as `SET`.
            tree.functions.clear();
        }
        tree
    }

    /// `key` is the field that the value stands in.
    fn value(&mut self, key: &str, value: &Value, scope: &Scope) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.value(key, item, scope)),
            Value::Object(object) => match tagged(object) {
                Some((kind, fields)) => self.node(kind, key, fields, scope),
                None => self.fields("", key, object, scope),
            },
            _ => {}
        }
    }

    /// A node whose kind is told.
    fn node(&mut self, kind: &str, key: &str, fields: &Object, scope: &Scope) {
        self.kinds.insert(kind.to_owned());
        match kind {
            "ColumnRef" => {
                self.located
                    .extend(location(fields).map(|place| (place, reference(fields))));
                self.references.push(reference(fields));
            }
            "AConst" => self.texts.extend(constant(fields)),
            "CopyStmt" => self.copied_columns.extend(strings(fields, "attlist")),
            "AExpr" => drop(self.operators.insert(strings(fields, "name"))),
            "SubLink" => drop(self.operators.insert(strings(fields, "oper_name"))),
            "SortBy" => drop(self.operators.insert(strings(fields, "use_op"))),
            "AIndirection" | "ResTarget" => {
                self.fields.extend(strings(fields, "indirection"));
                if kind == "ResTarget" {
                    self.output_names.extend(text(fields, "name"));
                }
            }
            "IndexElem" => {
                self.names.extend(text(fields, "name"));
                self.keys.extend(text(fields, "name"));
            }
            "String" => self.names.extend(text(fields, "sval")),
            "JoinExpr" => self.join(fields),
            "RangeSubselect" | "RangeTableFunc" | "JsonTable" => self.derived_alias(fields),
            "RangeFunction" => {
                self.derived_alias(fields);
                // Without an alias, a function stands under its own name.
                self.derived.extend(function_names(fields));
            }
            "RangeTableSample" => {
                let method = strings(fields, "method");
                self.foreign_sampling |= !matches!(method.last().map(String::as_str), Some("system" | "bernoulli"));
            }
            "LockingClause" => {
                // The relations that it names are aliases of this query.
                self.locks = true;
                return;
            }
            "ReturningOption" => self.renames_old_new = true,
            "MergeWhenClause" => {
                let command = fields.get("command_type").and_then(Value::as_i64);
                let is = |kind: CmdType| command == Some(i64::from(i32::from(kind)));
                self.merge_deletes |= is(CmdType::CmdDelete);
                self.writes_all |= is(CmdType::CmdInsert) && !fields.get("target_list").is_some_and(not_empty);
                // What rows are joined by says no more of them than a join does: `ON true` joins all.
                self.no_where |= (is(CmdType::CmdUpdate) || is(CmdType::CmdDelete)) && absent(fields, "condition");
            }
            "UpdateStmt" | "DeleteStmt" => self.no_where |= absent(fields, "where_clause"),
            "TruncateStmt" => self.no_where = true,
            "InsertStmt" => {
                self.no_where |= updates_what_a_query_finds(fields);
                self.conflicts |= !absent(fields, "on_conflict_clause");
                self.writes_all |= !fields.get("cols").is_some_and(not_empty) || by_constraint(fields);
            }
            _ => {}
        }
        let computed = self.computes_time;
        self.fields(kind, key, fields, scope);
        if kind == "TypeCast" && written_out(fields) {
            self.computes_time = computed;
        }
    }

    /// The fields of an object. A struct that stands in a field of its own type is not tagged with its kind (then `kind` is
    /// empty): the ones that matter are known by their fields.
    fn fields(&mut self, kind: &str, key: &str, fields: &Object, scope: &Scope) {
        if fields.contains_key("relname") && fields.contains_key("relpersistence") {
            self.range(fields, scope);
        }
        if fields.contains_key("funcname") && fields.contains_key("agg_star") {
            let function = strings(fields, "funcname");
            self.over |= fields.get("over").is_some_and(|over| !over.is_null());
            self.called.extend(function.last().cloned());
            let known = function.last().is_some_and(|name| name == "set_config") && sets_harmless(fields);
            if !known {
                self.functions.insert(function);
            }
        }
        if fields.contains_key("names") && fields.contains_key("pct_type") {
            let names = strings(fields, "names");
            self.computes_time |= names.last().is_some_and(|name| known::time_type(name));
            self.types.insert(names);
        }
        self.returns |= key == "returning_clause";
        let query = fields.contains_key("target_list") && fields.contains_key("values_lists");
        if query {
            let sorts = fields.get("sort_clause").and_then(Value::as_array);
            self.sorted.extend(sorts.into_iter().flatten().filter_map(sorted_by));
        }
        let kind = if query { "SelectStmt" } else { kind };
        let mut scope = scope.clone();
        if let Some(Value::Object(with)) = fields.get("with_clause") {
            self.with(with, &mut scope);
        }
        let copies_in = fields.get("is_from").and_then(Value::as_bool).unwrap_or_default();
        for (name, value) in fields.iter().filter(|(name, _)| *name != "with_clause") {
            match role(kind, name, copies_in) {
                Some((action, place)) => self.value(name, value, &scope.with(action, place)),
                None => self.value(name, value, &scope),
            }
        }
    }

    /// Common table expressions: each sees the ones before it, or all of them if the clause is recursive; what follows
    /// sees all.
    fn with(&mut self, with: &Object, scope: &mut Scope) {
        self.kinds.insert("WithClause".to_owned());
        let expressions: Vec<&Object> = with
            .get("ctes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|cte| tagged(cte.as_object()?))
            .map(|(_, fields)| fields)
            .collect();
        let recursive = with.get("recursive").and_then(Value::as_bool).unwrap_or_default();
        if recursive {
            scope
                .hidden
                .extend(expressions.iter().filter_map(|cte| text(cte, "ctename")));
        }
        for cte in expressions {
            self.node("CommonTableExpr", "ctes", cte, &scope.with(Action::Read, Place::Source));
            scope.hidden.extend(text(cte, "ctename"));
        }
    }

    fn range(&mut self, fields: &Object, scope: &Scope) {
        let Some(name) = text(fields, "relname") else { return };
        let schema = text(fields, "schemaname");
        let alias = fields.get("alias").and_then(Value::as_object);
        let alias_name = alias.and_then(|alias| text(alias, "aliasname"));
        let alias_name = alias_name.unwrap_or_else(|| name.clone());
        let renames_columns = alias.is_some_and(|alias| alias.get("colnames").is_some_and(not_empty));
        if let Some(alias) = alias {
            self.output_names.extend(strings(alias, "colnames"));
        }
        if schema.is_none() && scope.place == Place::Source && scope.hidden.contains(&name) {
            self.derived.insert(alias_name);
            return;
        }
        self.ranges.push(Range {
            schema,
            name,
            alias: alias_name,
            renames_columns,
            action: scope.action,
            place: scope.place,
            temporary: text(fields, "relpersistence").as_deref() == Some("t"),
            location: location(fields),
            parts: ["catalogname", "schemaname", "relname"]
                .into_iter()
                .filter(|part| text(fields, part).is_some())
                .count(),
            only: !fields.get("inh").and_then(Value::as_bool).unwrap_or_default(),
            aliased: alias.is_some(),
        });
    }

    fn join(&mut self, fields: &Object) {
        let given = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
        self.opaque_join |= fields.get("is_natural").and_then(Value::as_bool).unwrap_or(true);
        self.opaque_join |= given("alias") || given("join_using_alias");
        self.merged.extend(strings(fields, "using_clause"));
    }

    fn derived_alias(&mut self, fields: &Object) {
        if let Some(alias) = fields.get("alias").and_then(Value::as_object) {
            self.derived.extend(text(alias, "aliasname"));
            self.output_names.extend(strings(alias, "colnames"));
        }
    }
}

/// What holds at one place of the tree.
#[derive(Clone)]
struct Scope {
    /// Names of common table expressions that hide relations here.
    hidden: BTreeSet<String>,
    action: Action,
    place: Place,
}

impl Scope {
    fn with(&self, action: Action, place: Place) -> Self {
        Self {
            hidden: self.hidden.clone(),
            action,
            place,
        }
    }
}

/// What a relation in a field of a kind is there for; `None` where the field changes nothing.
fn role(kind: &str, field: &str, copies_in: bool) -> Option<(Action, Place)> {
    Some(match (kind, field) {
        ("InsertStmt" | "UpdateStmt" | "MergeStmt", "relation") => (Action::Write, Place::Target),
        ("DeleteStmt", "relation") => (Action::Delete, Place::Target),
        ("CreateStmt", "relation")
        | ("ViewStmt", "view")
        | ("CreateSeqStmt", "sequence")
        | ("CompositeTypeStmt", "typevar")
        | (_, "rel") => (Action::Define, Place::Made),
        (_, "pktable") => (Action::Define, Place::ForeignKey),
        ("CopyStmt", "relation") if copies_in => (Action::Write, Place::Object),
        ("CopyStmt", "relation") => (Action::Read, Place::Object),
        ("SelectStmt" | "InsertStmt" | "UpdateStmt" | "MergeStmt" | "DeleteStmt", _) => (Action::Read, Place::Source),
        _ => return None,
    })
}

/// A node with its kind: `{"node": {"Kind": {…}}}`.
pub(super) fn tagged(object: &Object) -> Option<(&str, &Object)> {
    let inner = object.get("node").filter(|_| object.len() == 1)?.as_object()?;
    let (kind, fields) = inner.iter().next().filter(|_| inner.len() == 1)?;
    Some((kind, fields.as_object()?))
}

/// The string of a constant.
fn constant(constant: &Object) -> Option<String> {
    Some(constant.get("val")?.get("Sval")?.get("sval")?.as_str()?.to_owned())
}

/// Whether what a cast reads as a type is a constant, or the value of a parameter. The time of day in a zone is read by the day of the
/// clock.
fn written_out(cast: &Object) -> bool {
    let argument = cast.get("arg").and_then(Value::as_object).and_then(tagged);
    let plain = argument.is_some_and(|(kind, _)| matches!(kind, "AConst" | "ParamRef"));
    let names = cast.get("type_name").and_then(Value::as_object);
    let names = names.map(|name| strings(name, "names")).unwrap_or_default();
    plain
        && names
            .last()
            .is_some_and(|name| name.trim_start_matches('_') != "timetz")
}

/// Whether a call of `set_config` names its setting as a literal, and the setting may be changed without a trace: it
/// changes neither how names are looked up, nor how text is read, nor what the server does to rows.
fn sets_harmless(call: &Object) -> bool {
    let setting = || {
        let first = call.get("args")?.as_array()?.first()?.as_object()?;
        let (_, constant) = tagged(first).filter(|(kind, _)| *kind == "AConst")?;
        self::constant(constant).map(|name| name.to_ascii_lowercase())
    };
    setting().is_some_and(|name| {
        let special = matches!(
            name.as_str(),
            "search_path" | "client_encoding" | "names" | "standard_conforming_strings"
        );
        !special && known::harmless_setting(&name)
    })
}

pub(super) fn location(fields: &Object) -> Option<usize> {
    usize::try_from(fields.get("location")?.as_i64()?).ok()
}

pub(super) fn text(fields: &Object, name: &str) -> Option<String> {
    let text = fields.get(name)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// The strings of a list; other nodes in it are left out.
pub(super) fn strings(fields: &Object, name: &str) -> Vec<String> {
    let items = fields.get(name).and_then(Value::as_array).into_iter().flatten();
    items
        .filter_map(|item| match tagged(item.as_object()?)? {
            ("String", string) => string.get("sval")?.as_str().map(str::to_owned),
            _ => None,
        })
        .collect()
}

pub(super) fn reference(fields: &Object) -> Reference {
    let items = fields.get("fields").and_then(Value::as_array).into_iter().flatten();
    items
        .map(|item| match tagged(item.as_object()?)? {
            ("String", string) => string.get("sval")?.as_str().map(str::to_owned),
            _ => None,
        })
        .collect()
}

fn not_empty(value: &Value) -> bool {
    value.as_array().is_some_and(|items| !items.is_empty())
}

/// The name that rows are sorted by, where it is one without a qualifier.
fn sorted_by(sort: &Value) -> Option<String> {
    let ("SortBy", sort) = tagged(sort.as_object()?)? else {
        return None;
    };
    let ("ColumnRef", column) = tagged(sort.get("node")?.as_object()?)? else {
        return None;
    };
    match reference(column).as_slice() {
        [name] => name.clone(),
        _ => None,
    }
}

/// Whether a clause is left out.
fn absent(fields: &Object, clause: &str) -> bool {
    fields.get(clause).is_none_or(Value::is_null)
}

/// Whether an `INSERT` changes every row that is in the way of what a query finds. Rows that are written out are those that are meant.
fn updates_what_a_query_finds(insert: &Object) -> bool {
    let updates = insert
        .get("on_conflict_clause")
        .and_then(Value::as_object)
        .is_some_and(|conflict| {
            let action = conflict.get("action").and_then(Value::as_i64);
            action == Some(i64::from(i32::from(OnConflictAction::OnconflictUpdate))) && absent(conflict, "where_clause")
        });
    let source = insert.get("select_stmt").and_then(Value::as_object).and_then(tagged);
    let written_out = source.is_none_or(|(_, query)| query.get("values_lists").is_some_and(not_empty));
    updates && !written_out
}

/// Whether an `INSERT` goes by the columns of a constraint that it calls by its name.
fn by_constraint(insert: &Object) -> bool {
    let conflict = insert.get("on_conflict_clause").and_then(Value::as_object);
    let infer = conflict.and_then(|conflict| conflict.get("infer")?.as_object());
    infer.is_some_and(|infer| text(infer, "conname").is_some())
}

/// Last names of the functions of a `FROM` item, at any depth of its lists.
fn function_names(fields: &Object) -> Vec<String> {
    let mut names = Vec::new();
    let mut waiting: Vec<&Value> = fields.get("functions").into_iter().collect();
    while let Some(value) = waiting.pop() {
        match value {
            Value::Array(items) => waiting.extend(items),
            Value::Object(object) => match tagged(object) {
                Some(("FuncCall", call)) => names.extend(strings(call, "funcname").pop()),
                Some((_, inner)) => waiting.extend(inner.values()),
                None => {}
            },
            _ => {}
        }
    }
    names
}
