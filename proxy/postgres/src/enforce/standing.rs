//! Whether what is installed is what was recorded when it was, and what the policy in force calls for.
//!
//! Two questions, both constants. [`STANDING`] gives the record beside a digest, made now, of everything that the record is
//! about: the schema and all in it, the relations behind its views with their columns, rights, triggers and kin, every view
//! and rule over them and over what of the system holds values, the functions that act for others, the roles and their members. What the agents' role owns itself is
//! not in it: it has no right that the role has not. [`READABLE`] gives what the role may read now; what the policy masks
//! must not be there, however it came.
//!
//! The administrator and the agents' role get the same answer. Names are those of `pg_catalog` (`search_path`); temporary
//! relations come last.
//!
//! Not here: who asks.

use std::sync::LazyLock;

use exhibit_policy::mask::MaskKey;
use exhibit_policy::snapshot::Snapshot;

use super::expression;
use super::facts::HOLDERS;
use super::script::KEY_DOMAIN;

/// One row: the record, the digest as of now, and who asks.
pub(crate) static STANDING: LazyLock<String> = LazyLock::new(|| QUESTION.replace("{HOLDERS}", HOLDERS));

const QUESTION: &str = "SET LOCAL search_path = pg_catalog, pg_temp; \
WITH RECURSIVE s AS (SELECT * FROM exhibit.standing), \
reach AS (SELECT r.oid, r.rolname FROM pg_roles r, s WHERE pg_has_role(s.role::name, r.oid, 'MEMBER')), \
own AS (SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'exhibit'::regnamespace), \
base AS (SELECT DISTINCT d.refobjid AS oid FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass \
  AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass WHERE r.ev_class IN (SELECT oid FROM own) \
  AND d.refobjid NOT IN (SELECT oid FROM own)), \
kin AS (SELECT oid FROM base UNION SELECT i.inhparent FROM kin k JOIN pg_inherits i ON i.inhrelid = k.oid), \
heirs AS (SELECT oid FROM base UNION SELECT i.inhrelid FROM heirs k JOIN pg_inherits i ON i.inhparent = k.oid), \
near AS (SELECT oid FROM kin UNION SELECT oid FROM heirs), \
shows AS ((SELECT oid FROM base UNION SELECT r.ev_class FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class \
    WHERE c.oid >= 16384 AND c.relowner NOT IN (SELECT oid FROM reach) AND r.ev_action::text ~ (SELECT ':relid (' \
    || string_agg(h.oid::text, '|') || ') ' FROM pg_class h WHERE h.relnamespace = 'pg_catalog'::regnamespace \
    AND h.relname IN ({HOLDERS}))) \
  UNION SELECT r.ev_class FROM shows h JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass \
  AND d.refobjid = h.oid AND d.classid = 'pg_rewrite'::regclass JOIN pg_rewrite r ON r.oid = d.objid \
  JOIN pg_class c ON c.oid = r.ev_class WHERE c.relowner NOT IN (SELECT oid FROM reach) \
  AND c.oid NOT IN (SELECT oid FROM own)), \
matter AS (SELECT oid FROM own UNION SELECT oid FROM near UNION SELECT oid FROM shows), \
hangs AS (SELECT 'pg_constraint'::regclass::oid AS class, k.oid FROM pg_constraint k WHERE k.conrelid IN (SELECT oid FROM near) \
  UNION ALL SELECT 'pg_attrdef'::regclass, f.oid FROM pg_attrdef f WHERE f.adrelid IN (SELECT oid FROM near) \
  UNION ALL SELECT 'pg_class'::regclass, i.indexrelid FROM pg_index i WHERE i.indrelid IN (SELECT oid FROM near) \
  UNION ALL SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger t WHERE t.tgrelid IN (SELECT oid FROM near)), \
domains AS (SELECT a.atttypid AS oid FROM pg_attribute a WHERE a.attrelid IN (SELECT oid FROM near) \
  UNION SELECT t.typbasetype FROM domains d JOIN pg_type t ON t.oid = d.oid WHERE t.typtype = 'd'), \
runs AS (SELECT d.refobjid AS oid FROM hangs h JOIN pg_depend d ON d.classid = h.class AND d.objid = h.oid \
    AND d.refclassid = 'pg_proc'::regclass \
  UNION SELECT p.oid FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.oid >= 16384 \
    AND (p.prosecdef OR (NOT l.lanpltrusted AND l.lanname NOT IN ('internal','c'))) \
    AND p.proowner NOT IN (SELECT oid FROM reach)), \
line AS (SELECT json_build_array('schema', pg_get_userbyid(nspowner), nspacl::text)::text AS line \
    FROM pg_namespace WHERE nspname = 'exhibit' \
  UNION ALL SELECT json_build_array('relation', c.oid, c.relnamespace, c.relname, c.relkind, pg_get_userbyid(c.relowner), \
    c.relacl::text, c.reloptions, c.relrowsecurity, c.relpersistence)::text FROM pg_class c WHERE c.oid IN (SELECT oid FROM matter) \
  UNION ALL SELECT json_build_array('column', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation, \
    a.attacl::text, a.attisdropped, a.attgenerated)::text FROM pg_attribute a \
    WHERE a.attnum > 0 AND a.attrelid IN (SELECT oid FROM matter) \
  UNION ALL SELECT json_build_array('rule', r.ev_class, r.rulename, r.ev_type, r.ev_enabled, r.is_instead, \
    encode(sha256(convert_to(r.ev_action::text || r.ev_qual::text, 'UTF8')), 'hex'))::text FROM pg_rewrite r \
    WHERE r.ev_class IN (SELECT oid FROM matter) \
  UNION ALL SELECT json_build_array('domain', t.oid, pg_get_userbyid(t.typowner))::text FROM pg_type t \
    WHERE t.typtype = 'd' AND t.oid IN (SELECT oid FROM domains) \
  UNION ALL SELECT json_build_array('inherits', i.inhrelid, i.inhparent)::text FROM pg_inherits i \
    WHERE i.inhrelid IN (SELECT oid FROM near) OR i.inhparent IN (SELECT oid FROM near) \
  UNION ALL SELECT json_build_array('trigger', t.tgrelid, t.tgname, t.tgtype, t.tgenabled, t.tgfoid)::text FROM pg_trigger t \
    WHERE t.tgrelid IN (SELECT oid FROM near) AND NOT t.tgisinternal \
  UNION ALL SELECT json_build_array('function', p.oid, p.proname, pg_get_userbyid(p.proowner), p.proacl::text, p.prosecdef, \
    p.proconfig, p.prolang, encode(sha256(convert_to(p.prosrc || coalesce(p.prosqlbody::text, ''), 'UTF8')), 'hex'), p.probin)::text FROM pg_proc p \
    WHERE p.oid IN (SELECT oid FROM runs) OR p.pronamespace = 'exhibit'::regnamespace \
  UNION ALL SELECT json_build_array('statistics', x.oid, x.stxrelid)::text FROM pg_statistic_ext x \
    WHERE x.stxrelid IN (SELECT oid FROM near) \
  UNION ALL SELECT json_build_array('mapping', m.umid, m.srvname)::text FROM pg_user_mappings m \
    WHERE m.umuser = 0 OR m.umuser IN (SELECT oid FROM reach) \
  UNION ALL SELECT json_build_array('setting', d.setdatabase, x)::text FROM s JOIN pg_roles r ON r.rolname = s.role \
    JOIN pg_db_role_setting d ON d.setrole = r.oid, unnest(d.setconfig) x WHERE x LIKE 'track_activities=%' \
  UNION ALL SELECT json_build_array('role', r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, \
    r.rolcanlogin, r.rolreplication, r.rolbypassrls)::text FROM pg_roles r \
    WHERE r.rolname = 'exhibit_owner' OR r.oid IN (SELECT oid FROM reach) \
  UNION ALL SELECT json_build_array('member', pg_get_userbyid(m.roleid), pg_get_userbyid(m.member), m.admin_option)::text \
    FROM pg_auth_members m WHERE m.member IN (SELECT oid FROM reach) OR m.member = to_regrole('exhibit_owner') \
    OR m.roleid = to_regrole('exhibit_owner')) \
SELECT s.target, s.role, s.masks, s.plan, s.state, s.key, (SELECT encode(sha256(convert_to(string_agg(line, E'\\n' \
  ORDER BY line COLLATE \"C\"), 'UTF8')), 'hex') FROM line), current_user, session_user FROM s";

/// One row for each column of the database itself that the agents' role may read: schema, relation, column.
pub(crate) const READABLE: &str = "SET LOCAL search_path = pg_catalog, pg_temp; \
WITH reach AS (SELECT r.oid FROM pg_roles r, exhibit.standing s WHERE pg_has_role(s.role::name, r.oid, 'MEMBER')) \
SELECT n.nspname, c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relkind IN ('r','p','v','m','f') AND a.attnum > 0 AND NOT a.attisdropped \
AND n.nspname <> 'information_schema' AND n.nspname <> 'exhibit' AND n.nspname !~ '^pg_' \
AND EXISTS (SELECT FROM reach WHERE has_column_privilege(reach.oid, c.oid, a.attnum, 'SELECT'))";

/// In what a database differs from what it has to be.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Drift {
    /// Nothing is installed, or not for the agents' role.
    #[error("nothing is installed for the agents' role")]
    Missing,
    /// What is installed is for another target or another role.
    #[error("what is installed is for another {0}")]
    Other(&'static str),
    /// It was installed by a version that installs something else.
    #[error("what is installed is of another version of this program: run `exhibit target apply` again")]
    Form,
    /// The policy's masks are others than those installed.
    #[error("the policy's masks of this target are others than those installed")]
    Masks,
    /// The key of tokens is not the proxy's, or the class of letters another.
    #[error("the constants that are installed, the key of tokens among them, are not the proxy's")]
    Key,
    /// Something that was recorded is not as it was.
    #[error("what is installed, or what it stands on, has changed since it was applied")]
    State,
    /// The plan that would be made now is another.
    #[error("the plan that the database calls for now is another than the one applied")]
    Plan,
    /// A masked column can be read.
    #[error("the agents' role may read the masked column {0}")]
    Readable(String),
    /// What stands for a view reads a masked relation.
    #[error("the view {0} that was installed reads a masked relation itself")]
    Raw(String),
    /// A right stayed that somebody else than the owner had given.
    #[error(
        "the agents' role keeps a right on {0} that somebody else than its owner granted: revoke it as that grantor"
    )]
    Right(String),
    /// The answer is not understood.
    #[error("the answer of the database is not understood")]
    Answer,
}

/// What a plan installs for a mask, as the record has it behind the digest of the masks: sessions count on it.
const FORM: &str = " form 4";

/// The masks of a target as the record has them.
pub(super) fn masks(policy: &Snapshot, target: &str) -> String {
    format!("{}{FORM}", policy.masks_digest(target))
}

/// What a database has to agree with.
pub(crate) struct Wanted<'a> {
    pub(crate) policy: &'a Snapshot,
    pub(crate) target: &'a str,
    /// The agents' role.
    pub(crate) role: &'a str,
    pub(crate) key: &'a MaskKey,
}

/// The answer to [`STANDING`].
#[derive(Clone)]
pub(crate) struct Record {
    target: String,
    role: String,
    masks: String,
    pub(crate) plan: String,
    state: String,
    key: String,
    /// The digest as of now.
    pub(crate) now: String,
    current: String,
    session: String,
}

impl Record {
    /// Reads it. No row is a record that was never made.
    pub(crate) fn read(rows: Vec<Vec<String>>) -> Result<Self, Drift> {
        let cells = rows.into_iter().next().ok_or(Drift::Missing)?;
        let cells = <[String; 9]>::try_from(cells).map_err(|_| Drift::Answer)?;
        let [target, role, masks, plan, state, key, now, current, session] = cells;
        Ok(Self {
            target,
            role,
            masks,
            plan,
            state,
            key,
            now,
            current,
            session,
        })
    }

    /// Compares it with what has to be; the first difference.
    pub(crate) fn agrees(&self, wanted: &Wanted<'_>) -> Result<(), Drift> {
        let checks = [
            (self.target == wanted.target, Drift::Other("target")),
            (self.role == wanted.role, Drift::Other("role")),
            (self.masks.ends_with(FORM), Drift::Form),
            (self.masks == masks(wanted.policy, wanted.target), Drift::Masks),
            (
                self.key == wanted.key.token(KEY_DOMAIN, expression::letters().as_bytes()),
                Drift::Key,
            ),
            (!self.now.is_empty() && self.state == self.now, Drift::State),
        ];
        let broken = checks.into_iter().find(|(holds, _)| !holds);
        broken.map_or(Ok(()), |(_, drift)| Err(drift))
    }
}

/// Whether a database agrees with what it has to be, by what it answered to the agents' role.
///
/// # Errors
/// [`Drift`]: the first difference.
pub(crate) fn agrees(record: Vec<Vec<String>>, readable: Vec<Vec<String>>, wanted: &Wanted<'_>) -> Result<(), Drift> {
    let record = Record::read(record)?;
    // A log-in that ends as somebody else is not what was planned for.
    if record.current != wanted.role || record.session != wanted.role {
        return Err(Drift::Other("role"));
    }
    record.agrees(wanted)?;
    unreadable(readable, wanted)
}

/// Looks for masked columns in the answer to [`READABLE`].
pub(crate) fn unreadable(rows: Vec<Vec<String>>, wanted: &Wanted<'_>) -> Result<(), Drift> {
    for row in rows {
        let names = <[String; 3]>::try_from(row).map_err(|_| Drift::Answer)?;
        let parts = names.map(|name| crate::catalog::part(&name));
        let resource = parts.join(".");
        if wanted.policy.mask(wanted.target, &resource).is_some() {
            return Err(Drift::Readable(resource));
        }
    }
    Ok(())
}
