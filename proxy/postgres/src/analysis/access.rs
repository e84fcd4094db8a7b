//! Which resources a statement touches, and what it does to each.
//!
//! | what | resource |
//! | --- | --- |
//! | a relation | `schema.relation`; temporary ones `pg_temp.relation`; an unknown one without schema `?.relation` |
//! | a function that is not on the list of harmless ones | `schema.function`; an unknown one without schema `?.function` |
//! | everything in a schema | `schema.*`, and each relation that the catalog knows there |
//! | another object (role, type, extension, channel, ...) | `kind:name` |
//! | a file of the server, a program on it, by `COPY` | `?.copy_file`, `?.copy_program` |
//! | nothing nameable | none |

use std::collections::BTreeSet;

use exhibit_schemas::event::access::{Access, Action};
use pg_query::NodeEnum;
use pg_query::protobuf::{GrantTargetType, Node, ObjectType, VariableSetKind};

use super::Names;
use super::kind::{Form, StatementClass};
use super::known;
use super::tree::{Place, Range, Tree};
use crate::catalog::{Relation, part};

/// The resource of an `EXECUTE` of which is not known what it runs.
pub const EXECUTED: &str = "?.execute";

/// The resource of a `FETCH` or `MOVE` of which is not known what it reads.
pub const FETCHED: &str = "?.cursor";

/// The resource of a channel of notifications.
pub fn channel(name: &str) -> String {
    other("channel", name)
}

/// Everything that one statement does.
pub(super) fn accesses(form: &Form, node: &Node, tree: &Tree, names: &Names<'_>) -> Vec<Access> {
    let mut accesses = BTreeSet::new();
    for range in &tree.ranges {
        let resource = names.resource(range);
        let mut add = |action| accesses.insert(Access(action, Some(resource.clone())));
        add(range.action);
        let target = range.place == Place::Target;
        if tree.locks && range.place == Place::Source {
            add(Action::Write);
        }
        if tree.returns && target {
            add(Action::Read);
        }
        if tree.merge_deletes && target {
            add(Action::Delete);
        }
    }
    for function in called(tree, names) {
        accesses.insert(Access(Action::Execute, Some(function)));
    }
    if let Some(statement) = &node.node {
        objects(statement, names, &mut accesses);
    }
    if form.sets {
        accesses.insert(Access(Action::Session, None));
    }
    if accesses.is_empty() {
        accesses.insert(Access(form.class.action(), None));
    }
    accesses.into_iter().collect()
}

/// Resources of the functions that a statement calls and that are not harmless.
pub(super) fn called(tree: &Tree, names: &Names<'_>) -> BTreeSet<String> {
    let mut resources = BTreeSet::new();
    for function in &tree.functions {
        resources.extend(function_resources(function, names));
    }
    // `(value).name` and `alias.name` call a function where there is no such column.
    let selections = tree.references.iter().filter(|reference| reference.len() > 1);
    let selected = selections.filter_map(|reference| {
        let name = reference.last().cloned().flatten()?;
        let qualifier = reference.iter().rev().nth(1).cloned().flatten()?;
        // The alias may stand for several relations; only if each has such a column is it surely one.
        let mut ranges = tree.ranges.iter().filter(|range| range.alias == qualifier).peekable();
        let column = ranges.peek().is_some()
            && !tree.derived.contains(&qualifier)
            && ranges.all(|range| names.relation(range).is_some_and(|relation| relation.has_column(&name)));
        (!column).then_some(name)
    });
    for name in tree.fields.iter().cloned().chain(selected) {
        if names.catalog.functions(&name).is_some() {
            resources.extend(function_resources(&[name], names));
        }
    }
    resources
}

/// No resources for a harmless function; more than one where several schemas have one of that name.
fn function_resources(function: &[String], names: &Names<'_>) -> Vec<String> {
    let of = |schema: &str, name: &str| format!("{}.{}", part(schema), part(name));
    match function {
        [name] => {
            if let Some(known) = names.catalog.functions(name)
                && (known.interpreted || !known::harmless_function(name))
            {
                return known.schemas.iter().map(|schema| of(schema, name)).collect();
            }
            if known::harmless_function(name) {
                Vec::new()
            } else if known::effect_function(name) {
                vec![of("pg_catalog", name)]
            } else {
                vec![format!("?.{}", part(name))]
            }
        }
        [schema, name] if schema == "pg_catalog" && known::harmless_function(name) => Vec::new(),
        // The information schema's own functions compute from their arguments.
        [schema, name] if schema == "information_schema" && known::harmless_function(name) => Vec::new(),
        [.., schema, name] => vec![of(schema, name)],
        [] => Vec::new(),
    }
}

impl Names<'_> {
    /// The relation that a range means, if the catalog knows it.
    pub(super) fn relation(&self, range: &Range) -> Option<&Relation> {
        self.find(range.schema.as_deref(), &range.name)
    }

    /// The relation that a name means, if the catalog knows it.
    pub(super) fn find(&self, schema: Option<&str>, name: &str) -> Option<&Relation> {
        match (schema, self.search_path) {
            (Some(schema), _) => self.catalog.named(schema, name),
            (None, Some(path)) => self.catalog.resolve(name, path),
            (None, None) if self.alone => self.only(name),
            (None, None) => None,
        }
    }

    /// The relation that a name means under every path under which it means one.
    fn only(&self, name: &str) -> Option<&Relation> {
        let mut named = self.catalog.relations().filter(|relation| relation.name == name);
        let only = named.next();
        only.filter(|_| named.next().is_none())
    }

    pub(super) fn resource(&self, range: &Range) -> String {
        if range.place == Place::Made && range.schema.is_none() {
            let schema = if range.temporary {
                Some("pg_temp")
            } else {
                self.creation_schema()
            };
            return named(schema, &range.name);
        }
        match (self.relation(range), &range.schema) {
            (Some(relation), _) => relation.resource(),
            (None, schema) => named(schema.as_deref(), &range.name),
        }
    }

    /// Where a relation is made whose name has no schema: in the first schema of the path that is not implicit.
    fn creation_schema(&self) -> Option<&str> {
        let mut path = self.search_path?.iter().map(String::as_str);
        path.find(|schema| *schema != "pg_catalog" && !schema.starts_with("pg_temp"))
    }

    /// The resource of a relation whose name is a list of parts.
    fn listed(&self, parts: &[String], made: bool) -> Option<String> {
        let name = parts.last()?.clone();
        let schema = parts.iter().rev().nth(1).cloned();
        Some(self.resource(&Range {
            schema,
            alias: name.clone(),
            location: None,
            parts: 1,
            only: false,
            aliased: false,
            name,
            renames_columns: false,
            action: Action::Define,
            place: if made { Place::Made } else { Place::Object },
            temporary: false,
        }))
    }

    fn whole_schema(&self, schema: &str) -> Vec<String> {
        let relations = self.catalog.relations().filter(|relation| relation.schema == schema);
        let mut resources: Vec<String> = relations.map(Relation::resource).collect();
        resources.push(format!("{}.*", part(schema)));
        resources
    }
}

fn named(schema: Option<&str>, name: &str) -> String {
    schema.map_or_else(
        || format!("?.{}", part(name)),
        |schema| {
            let schema = if schema.starts_with("pg_temp") {
                "pg_temp"
            } else {
                schema
            };
            format!("{}.{}", part(schema), part(name))
        },
    )
}

/// Objects that a statement names otherwise than as relations.
#[expect(
    clippy::too_many_lines,
    reason = "an arm to each kind of statement that names objects"
)]
fn objects(statement: &NodeEnum, names: &Names<'_>, accesses: &mut BTreeSet<Access>) {
    let mut add = |action: Action, resource: String| {
        accesses.insert(Access(action, Some(resource)));
    };
    match statement {
        NodeEnum::DropStmt(drop) => {
            for object in &drop.objects {
                for resource in object_resources(drop.remove_type(), object, names) {
                    add(Action::Define, resource);
                }
            }
        }
        NodeEnum::RenameStmt(rename) => {
            for resource in renamed(rename, names) {
                add(Action::Define, resource);
            }
        }
        NodeEnum::AlterObjectSchemaStmt(alter) => {
            if let Some(relation) = &alter.relation {
                add(Action::Define, named(Some(&alter.newschema), &relation.relname));
            }
            if let Some(object) = &alter.object {
                for resource in object_resources(alter.object_type(), object, names) {
                    add(Action::Define, resource);
                }
            }
        }
        NodeEnum::AlterOwnerStmt(alter) => {
            if let Some(object) = &alter.object {
                for resource in object_resources(alter.object_type(), object, names) {
                    add(Action::Define, resource);
                }
            }
        }
        NodeEnum::CommentStmt(comment) => {
            if let Some(object) = &comment.object {
                for resource in object_resources(comment.objtype(), object, names) {
                    add(Action::Define, resource);
                }
            }
        }
        NodeEnum::CreateSchemaStmt(schema) => add(Action::Define, format!("{}.*", part(&schema.schemaname))),
        NodeEnum::CreateFunctionStmt(function) => {
            let parts = node_strings(&function.funcname);
            names
                .listed(&parts, true)
                .into_iter()
                .for_each(|resource| add(Action::Define, resource));
        }
        NodeEnum::CreateExtensionStmt(extension) => add(Action::Define, other("extension", &extension.extname)),
        NodeEnum::AlterExtensionStmt(extension) => add(Action::Define, other("extension", &extension.extname)),
        NodeEnum::AlterExtensionContentsStmt(alter) => {
            add(Action::Define, other("extension", &alter.extname));
            if let Some(object) = &alter.object {
                for resource in object_resources(alter.objtype(), object, names) {
                    add(Action::Define, resource);
                }
            }
        }
        NodeEnum::SecLabelStmt(label) => {
            if let Some(object) = &label.object {
                for resource in object_resources(label.objtype(), object, names) {
                    add(Action::Define, resource);
                }
            }
        }
        NodeEnum::ImportForeignSchemaStmt(import) => {
            add(Action::Define, other("server", &import.server_name));
            names
                .whole_schema(&import.local_schema)
                .into_iter()
                .for_each(|resource| add(Action::Define, resource));
        }
        NodeEnum::ReindexStmt(reindex) if reindex.relation.is_none() => {
            if reindex.name.is_empty() {
                add(Action::Define, "*.*".to_owned());
            } else {
                names
                    .whole_schema(&reindex.name)
                    .into_iter()
                    .for_each(|resource| add(Action::Define, resource));
            }
        }
        NodeEnum::GrantStmt(grant) => grants(grant, names, &mut add),
        NodeEnum::GrantRoleStmt(_)
        | NodeEnum::CreateRoleStmt(_)
        | NodeEnum::AlterRoleStmt(_)
        | NodeEnum::AlterRoleSetStmt(_) => {
            for role in roles(statement) {
                add(Action::Grant, other("role", role));
            }
        }
        NodeEnum::VariableSetStmt(set) => {
            let name = set.name.to_ascii_lowercase();
            let changes = !matches!(set.kind(), VariableSetKind::VarReset | VariableSetKind::VarResetAll);
            if changes && matches!(name.as_str(), "role" | "session_authorization") {
                add(
                    Action::Grant,
                    other("role", &known::word(set).unwrap_or_else(|| "?".to_owned())),
                );
            }
            accesses.insert(Access(Action::Session, None));
        }
        NodeEnum::DoStmt(_) => add(Action::Execute, "?.do".to_owned()),
        NodeEnum::LoadStmt(_) => add(Action::Execute, "?.load".to_owned()),
        // Where the session knows what a name stands for, that takes the place of these two.
        NodeEnum::ExecuteStmt(_) => add(Action::Execute, EXECUTED.to_owned()),
        NodeEnum::FetchStmt(_) => add(Action::Execute, FETCHED.to_owned()),
        NodeEnum::ExplainStmt(explain) => inner_objects(explain.query.as_deref(), names, accesses),
        NodeEnum::CreateTableAsStmt(create) => inner_objects(create.query.as_deref(), names, accesses),
        NodeEnum::CopyStmt(copy) if copy.is_program => add(Action::Execute, "?.copy_program".to_owned()),
        NodeEnum::CopyStmt(copy) if !copy.filename.is_empty() => add(Action::Execute, "?.copy_file".to_owned()),
        NodeEnum::ListenStmt(listen) => add(Action::Read, channel(&listen.conditionname)),
        NodeEnum::NotifyStmt(notify) => add(Action::Write, channel(&notify.conditionname)),
        NodeEnum::UnlistenStmt(_) | NodeEnum::ClosePortalStmt(_) | NodeEnum::DeallocateStmt(_) => {
            accesses.insert(Access(Action::Session, None));
        }
        _ => {
            for resource in of_server(statement) {
                add(Action::Define, resource);
            }
        }
    }
}

/// Objects of the whole server, or of a database, that have one plain name.
fn of_server(statement: &NodeEnum) -> Vec<String> {
    use NodeEnum as Kind;
    let (kind, name) = match statement {
        Kind::CreatedbStmt(database) => ("database", &database.dbname),
        Kind::AlterDatabaseStmt(database) => ("database", &database.dbname),
        Kind::AlterDatabaseSetStmt(database) => ("database", &database.dbname),
        Kind::AlterDatabaseRefreshCollStmt(database) => ("database", &database.dbname),
        Kind::DropdbStmt(database) => ("database", &database.dbname),
        Kind::CreateTableSpaceStmt(space) => ("tablespace", &space.tablespacename),
        Kind::AlterTableSpaceOptionsStmt(space) => ("tablespace", &space.tablespacename),
        Kind::DropTableSpaceStmt(space) => ("tablespace", &space.tablespacename),
        Kind::AlterTableMoveAllStmt(space) => {
            let places = [&space.orig_tablespacename, &space.new_tablespacename];
            let moved = places.map(|name| other("tablespace", name));
            return moved.into_iter().chain(["*.*".to_owned()]).collect();
        }
        Kind::AlterSystemStmt(system) => {
            let setting = system.setstmt.as_ref().map_or("", |set| set.name.as_str());
            return vec![other("system", if setting.is_empty() { "?" } else { setting })];
        }
        Kind::CreateSubscriptionStmt(subscription) => ("subscription", &subscription.subname),
        Kind::AlterSubscriptionStmt(subscription) => ("subscription", &subscription.subname),
        Kind::DropSubscriptionStmt(subscription) => ("subscription", &subscription.subname),
        Kind::CreateFdwStmt(wrapper) => ("fdw", &wrapper.fdwname),
        Kind::AlterFdwStmt(wrapper) => ("fdw", &wrapper.fdwname),
        Kind::CreateForeignServerStmt(server) => ("server", &server.servername),
        Kind::AlterForeignServerStmt(server) => ("server", &server.servername),
        Kind::CreateUserMappingStmt(mapping) => ("server", &mapping.servername),
        Kind::AlterUserMappingStmt(mapping) => ("server", &mapping.servername),
        Kind::DropUserMappingStmt(mapping) => ("server", &mapping.servername),
        Kind::CreateEventTrigStmt(trigger) => ("event_trigger", &trigger.trigname),
        Kind::AlterEventTrigStmt(trigger) => ("event_trigger", &trigger.trigname),
        Kind::CreatePlangStmt(language) => ("language", &language.plname),
        Kind::CreateAmStmt(method) => ("access_method", &method.amname),
        _ => return Vec::new(),
    };
    vec![other(kind, name)]
}

fn inner_objects(query: Option<&Node>, names: &Names<'_>, accesses: &mut BTreeSet<Access>) {
    if let Some(statement) = query.and_then(|query| query.node.as_ref()) {
        objects(statement, names, accesses);
    }
}

/// What a rename touches beside the relation that it names: the new name, or everything in a schema.
fn renamed(rename: &pg_query::protobuf::RenameStmt, names: &Names<'_>) -> Vec<String> {
    let kind = rename.rename_type();
    let mut resources = Vec::new();
    if let Some(relation) = &rename.relation
        && kind != ObjectType::ObjectColumn
    {
        let schema = (!relation.schemaname.is_empty()).then(|| relation.schemaname.clone());
        let parts: Vec<String> = schema.into_iter().chain([rename.newname.clone()]).collect();
        resources.extend(names.listed(&parts, true));
    }
    if kind == ObjectType::ObjectSchema {
        resources.extend(names.whole_schema(&rename.subname));
        resources.extend(names.whole_schema(&rename.newname));
    }
    if let Some(object) = &rename.object {
        resources.extend(object_resources(kind, object, names));
    }
    resources
}

/// Names of the roles that a statement changes.
fn roles(statement: &NodeEnum) -> Vec<&str> {
    match statement {
        NodeEnum::GrantRoleStmt(grant) => grant
            .granted_roles
            .iter()
            .map(|role| match &role.node {
                Some(NodeEnum::AccessPriv(privilege)) => privilege.priv_name.as_str(),
                _ => "?",
            })
            .collect(),
        NodeEnum::CreateRoleStmt(create) => vec![create.role.as_str()],
        NodeEnum::AlterRoleStmt(alter) => vec![alter.role.as_ref().map_or("?", |role| role.rolename.as_str())],
        NodeEnum::AlterRoleSetStmt(alter) => vec![alter.role.as_ref().map_or("*", |role| role.rolename.as_str())],
        _ => Vec::new(),
    }
}

fn grants(grant: &pg_query::protobuf::GrantStmt, names: &Names<'_>, add: &mut impl FnMut(Action, String)) {
    let whole = grant.targtype() == GrantTargetType::AclTargetAllInSchema;
    for object in &grant.objects {
        let resources = match &object.node {
            // Relations are named by nodes of their own, which the walk has found.
            Some(NodeEnum::RangeVar(_)) => Vec::new(),
            Some(NodeEnum::String(schema)) if whole || grant.objtype() == ObjectType::ObjectSchema => {
                names.whole_schema(&schema.sval)
            }
            _ => object_resources(grant.objtype(), object, names),
        };
        for resource in resources {
            add(Action::Grant, resource);
        }
    }
}

/// Resources of an object that is named by a list, a string, a type or a function.
fn object_resources(kind: ObjectType, object: &Node, names: &Names<'_>) -> Vec<String> {
    let parts = object_parts(object);
    match kind {
        ObjectType::ObjectTable
        | ObjectType::ObjectView
        | ObjectType::ObjectMatview
        | ObjectType::ObjectIndex
        | ObjectType::ObjectSequence
        | ObjectType::ObjectForeignTable => names.listed(&parts, false).into_iter().collect(),
        // The last part is the column, trigger, rule, policy or constraint; what stands before is its relation.
        ObjectType::ObjectColumn
        | ObjectType::ObjectTrigger
        | ObjectType::ObjectRule
        | ObjectType::ObjectPolicy
        | ObjectType::ObjectTabconstraint => {
            let relation = parts.split_last().map_or(&[][..], |(_, relation)| relation);
            names.listed(relation, false).into_iter().collect()
        }
        ObjectType::ObjectSchema => parts
            .last()
            .map(|schema| names.whole_schema(schema))
            .unwrap_or_default(),
        ObjectType::ObjectFunction
        | ObjectType::ObjectProcedure
        | ObjectType::ObjectRoutine
        | ObjectType::ObjectAggregate => {
            let schema = parts.iter().rev().nth(1).map(String::as_str);
            parts.last().map(|name| named(schema, name)).into_iter().collect()
        }
        _ => {
            let word = kind.as_str_name().trim_start_matches("OBJECT_").to_ascii_lowercase();
            vec![other(&word, &parts.join("."))]
        }
    }
}

fn other(kind: &str, name: &str) -> String {
    format!("{kind}:{}", part(name))
}

/// The parts of a name, in whichever kind of node it stands.
fn object_parts(object: &Node) -> Vec<String> {
    match &object.node {
        Some(NodeEnum::List(list)) => node_strings(&list.items),
        Some(NodeEnum::String(string)) => vec![string.sval.clone()],
        Some(NodeEnum::TypeName(name)) => node_strings(&name.names),
        Some(NodeEnum::ObjectWithArgs(object)) => node_strings(&object.objname),
        _ => Vec::new(),
    }
}

/// The strings of a list of nodes; types among them give their own parts.
fn node_strings(nodes: &[Node]) -> Vec<String> {
    let parts = nodes.iter().map(|node| match &node.node {
        Some(NodeEnum::String(string)) => vec![string.sval.clone()],
        Some(NodeEnum::TypeName(name)) => node_strings(&name.names),
        _ => Vec::new(),
    });
    parts.flatten().collect()
}

/// Whether a statement could change anything in the target that lasts: all but reading, showing and transaction control.
pub(super) fn may_write(form: &Form, tree: &Tree, accesses: &[Access]) -> bool {
    let reading = |Access(action, _): &Access| matches!(action, Action::Read | Action::Session | Action::Transaction);
    let harmless_class = matches!(
        form.class,
        StatementClass::Select | StatementClass::Explain | StatementClass::Session | StatementClass::Transaction
    );
    !harmless_class || tree.locks || !accesses.iter().all(reading)
}
