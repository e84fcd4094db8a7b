//! One OCSF event as it is built: class, activity, time, status, what it stands on.

use exhibit_schemas::event::Timestamp;
use exhibit_schemas::merkle::Index;
use serde_json::{Map, Value, json};

use crate::report::about::{About, SCOPED_LABEL};

/// Version of the schema.
const VERSION: &str = "1.8.0";

/// What ids of OCSF documents begin with before they are digested.
const FORMAT: &str = "exhibit-ocsf/1";

/// A number of the schema with its caption.
pub(super) type Coded = (u64, &'static str);

/// What the schema calls a thing that it has no number for; the caption is the source's own word.
pub(super) const OTHER: u64 = 99;

/// A class of events.
pub(super) struct Class {
    uid: u64,
    name: &'static str,
    category: Coded,
}

/// Log-ins.
pub(super) const AUTHENTICATION: Class = Class {
    uid: 3002,
    name: "Authentication",
    category: (3, "Identity & Access Management"),
};

/// Commands to databases.
pub(super) const DATASTORE: Class = Class {
    uid: 6005,
    name: "Datastore Activity",
    category: (6, "Application Activity"),
};

/// Requests to other targets.
pub(super) const API: Class = Class {
    uid: 6003,
    name: "API Activity",
    category: (6, "Application Activity"),
};

/// Exceptions to a control.
pub(super) const COMPLIANCE: Class = Class {
    uid: 2003,
    name: "Compliance Finding",
    category: (2, "Findings"),
};

/// What nets caught.
pub(super) const DATA_SECURITY: Class = Class {
    uid: 2006,
    name: "Data Security Finding",
    category: (2, "Findings"),
};

/// What passed as it should.
pub(super) const INFORMATIONAL: Coded = (1, "Informational");
/// What was stopped.
pub(super) const LOW: Coded = (2, "Low");
/// What somebody should look at.
pub(super) const MEDIUM: Coded = (3, "Medium");
/// What ended a session.
pub(super) const HIGH: Coded = (4, "High");

/// An event that is being built.
pub(super) struct Document(Map<String, Value>);

impl Document {
    /// An event of a class: what it says is done, and when.
    pub(super) fn new(class: &Class, (activity, activity_name): (u64, &str), severity: Coded, time: &str) -> Self {
        let mut document = Self(Map::new());
        document.put("class_uid", class.uid);
        document.put("class_name", class.name);
        document.put("category_uid", class.category.0);
        document.put("category_name", class.category.1);
        document.put("activity_id", activity);
        document.put("activity_name", activity_name);
        document.put("type_uid", class.uid.saturating_mul(100).saturating_add(activity));
        let caption = if activity == OTHER { "Other" } else { activity_name };
        document.put("type_name", format!("{}: {caption}", class.name));
        document.put("severity_id", severity.0);
        document.put("severity", severity.1);
        document.put("time", milliseconds(time));
        document
    }

    /// Adds an attribute.
    pub(super) fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Adds a number under `name_id` and its caption under `name`.
    pub(super) fn put_coded(&mut self, name: &str, (number, caption): (u64, &str)) {
        self.put(&format!("{name}_id"), number);
        self.put(name, caption);
    }

    /// Adds what the gate did: the action, and what became of what was asked for. They are of the profile `security_control`.
    pub(super) fn put_control(&mut self, action: Coded, disposition: Coded) {
        self.put_coded("action", action);
        self.put_coded("disposition", disposition);
    }

    /// The event of an entry. `part` tells apart the events of one entry; `others` are the entries that it also stands on.
    pub(super) fn of_entry(
        self,
        about: &About<'_>,
        entry: Index,
        part: &str,
        others: impl IntoIterator<Item = Index>,
        unmapped: Value,
    ) -> Value {
        let uid = uid(about, entry, part);
        let original = Some(about.entry(entry));
        let entries: Vec<_> = std::iter::once(entry).chain(others).map(|index| index.0).collect();
        self.finish(about, &uid, original, &entries, unmapped)
    }

    /// The event of something that stands on several entries, or on none.
    pub(super) fn of_entries(
        self,
        about: &About<'_>,
        standing: &str,
        part: &str,
        entries: &[u64],
        unmapped: Value,
    ) -> Value {
        let uid = uid_of(about, standing, part);
        self.finish(about, &uid, None, entries, unmapped)
    }

    fn finish(
        mut self,
        about: &About<'_>,
        uid: &str,
        original: Option<String>,
        entries: &[u64],
        unmapped: Value,
    ) -> Value {
        let mut metadata = json!({
            "version": VERSION,
            "uid": uid,
            "profiles": ["security_control"],
            "log_name": about.origin,
            "log_provider": "Exhibit",
            "product": {
                "name": "Exhibit",
                "vendor_name": "Exhibit",
                "feature": { "name": "exhibit-verify", "version": about.verifier },
            },
        });
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.extend(original.map(|name| ("original_event_uid".to_owned(), name.into())));
            metadata.extend(about.entity.map(|entity| ("tenant_uid".to_owned(), entity.into())));
            if about.scoped {
                metadata.insert("labels".to_owned(), json!([SCOPED_LABEL]));
            }
        }
        self.put("metadata", metadata);
        let mut beside = Map::new();
        let integrity = json!({ "log": about.origin, "root": about.root, "entries": entries });
        beside.insert("record_integrity".to_owned(), integrity);
        if let Value::Object(unmapped) = unmapped {
            beside.extend(unmapped.into_iter().filter(|(_, value)| !value.is_null()));
        }
        self.put("unmapped", beside);
        self.0.into()
    }
}

/// The id of the event of an entry.
pub(super) fn uid(about: &About<'_>, entry: Index, part: &str) -> String {
    about.id(FORMAT, entry, part)
}

/// The id of the event of what stands on several entries, or on none.
pub(super) fn uid_of(about: &About<'_>, standing: &str, part: &str) -> String {
    about.id_of(FORMAT, standing, part)
}

/// Milliseconds since 1970, as the schema has times. `None` for a time past the year 9999, which no format has: such an event
/// holds to no schema, as its entry has no time that can be.
pub(super) fn milliseconds(time: &str) -> Option<u64> {
    Timestamp::parse(time).map(|time| time.0 / 1_000)
}
