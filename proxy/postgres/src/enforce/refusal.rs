//! Why a policy cannot be enforced by a database as it stands: each with what to do about it.

/// Why there is no plan.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// The role of the agents does not exist.
    #[error("the server has no role `{0}`, which `server.user` names")]
    Role(String),
    /// The role would still reach masked values, or what they stand in cannot be replaced.
    #[error("masking cannot be enforced by the database as it stands ({} reasons)", .0.len())]
    Refused(Vec<Refusal>),
}

/// One reason against a plan.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Values have to be UTF-8, so that tokens are of the same bytes here and at the proxy.
    #[error("the database's encoding is {0}: only UTF8 is taken")]
    Encoding(String),
    /// The role may do what no grant limits.
    #[error("the role `{role}` {power}: take that from it")]
    Power {
        /// The agents' role, or one that it can become.
        role: String,
        /// What it is or may.
        power: &'static str,
    },
    /// The role may use something of the system that shows values.
    #[error("the agents' role may use the {0}: revoke that")]
    System(String),
    /// The role, or one that it can become, owns the relation, and could grant itself everything.
    #[error("{0} is owned by the agents' role or one that it can become: give it another owner")]
    Own(String),
    /// The role reads a masked column by a right that is not its own.
    #[error("{0} can be read by the agents' role through PUBLIC or another role: revoke that right")]
    Otherwise(String),
    /// The role may add triggers to the relation by a right that is not its own.
    #[error("{0} takes triggers of the agents' role through PUBLIC or another role: revoke that right")]
    Trigger(String),
    /// Row security asks who reads, and that would be the views' owner.
    #[error("{0} has row security, which a view would not hold to")]
    RowSecurity(String),
    /// Rules could move what is masked.
    #[error("{0} has rules besides those of a view: drop them, or take all rights on it from the agents' role")]
    Rules(String),
    /// The server of the foreign table would be asked as somebody else.
    #[error("{0} is a foreign table or a materialized view, whose rights cannot be divided")]
    Kind(String),
    /// Bounds of partitions are definitions, which everybody may read.
    #[error("{0} is a key of partitions, whose bounds everybody may read")]
    PartitionKey(String),
    /// A relation above it shows the same values without a mask.
    #[error("{parent} shows the rows of {child}, but has no mask for its column: mask {parent}, too")]
    Parent {
        /// The column above.
        parent: String,
        /// The masked column.
        child: String,
    },
    /// The role could have the server run a check of its own over every value of the column.
    #[error("the domain of {0} is owned by the agents' role or one that it can become: give it another owner")]
    OwnType(String),
    /// The column is computed from a masked one.
    #[error("{column} is computed from the masked column {of}: mask it, too")]
    Generated {
        /// The column.
        column: String,
        /// What it is computed from.
        of: String,
    },
    /// A view, or rule, shows masked columns with the rights of its owner.
    #[error(
        "{relation} reads masked columns with the rights of its owner: revoke the agents' rights on it, or make it a view WITH (security_invoker)"
    )]
    Shows {
        /// The view.
        relation: String,
    },
    /// A function acts for somebody who may read masked columns.
    #[error("the function {0} acts with rights that reach masked columns: revoke EXECUTE on it from the agents' role")]
    Function(String),
    /// Code of the session meets masked rows, and looks its names up where the agent says.
    #[error(
        "{what} of {relation} runs {signature} in the agents' sessions, whose names could be the agent's: ALTER FUNCTION {signature} SET search_path = pg_catalog, …, pg_temp, with schemas in which the agents' role cannot create"
    )]
    Code {
        /// The relation whose rows it meets.
        relation: String,
        /// What it hangs on.
        what: String,
        /// The function.
        signature: String,
    },
    /// Statistics over expressions of masked columns were shown to everybody by some versions of the server.
    #[error("the extended statistics {name} of {relation} are over expressions: drop them")]
    Statistics {
        /// The relation.
        relation: String,
        /// The statistics.
        name: String,
    },
    /// Through a user mapping the role could be somebody else.
    #[error("the agents' role has a user mapping on the foreign server {0}: drop it")]
    ForeignServer(String),
    /// The owner of what is installed is not what it has to be.
    #[error("the role `{owner}` {fault}")]
    Owner {
        /// The owner.
        owner: &'static str,
        /// What is wrong.
        fault: String,
    },
    /// The schema holds what no plan has put there, or belongs to somebody else.
    #[error("the schema `{schema}` {fault}")]
    Schema {
        /// The schema.
        schema: &'static str,
        /// What is wrong.
        fault: String,
    },
    /// A masked relation has more names to protect than the plan's limit.
    #[error("the plan would have {found} relations; at most {limit} are taken")]
    TooMany {
        /// Relations with masks.
        found: usize,
        /// The limit.
        limit: usize,
    },
}
