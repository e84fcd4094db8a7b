//! Trees as a server of version 15 writes them, cut down to the fields that are read.

use super::Definition;

/// A relation in `FROM`, by its number.
fn relation(oid: u32) -> String {
    format!("{{RANGETBLENTRY :rtekind 0 :relid {oid}}}")
}

fn variable(range: usize, column: i16, levels: usize) -> String {
    format!("{{VAR :varno {range} :varattno {column} :varlevelsup {levels}}}")
}

/// A column of a query: what it is, and its place among what sorts or groups.
fn target(number: usize, expression: &str, sorts: usize) -> String {
    format!("{{TARGETENTRY :expr {expression} :resno {number} :ressortgroupref {sorts} :resjunk false}}")
}

/// A query of these relations and columns; `clause` replaces what it would have otherwise.
fn query(ranges: &[String], targets: &[String], clause: &str) -> String {
    let mut text = format!(
        "{{QUERY :commandType 1 :rtable ({}) :targetList ({}) {clause}",
        ranges.join(" "),
        targets.join(" ")
    );
    for (field, value) in [
        (":utilityStmt", "<>"),
        (":hasTargetSRFs", "false"),
        (":hasModifyingCTE", "false"),
        (":cteList", "<>"),
        (":jointree", "<>"),
        (":havingQual", "<>"),
        (":windowClause", "<>"),
        (":limitOffset", "<>"),
        (":limitCount", "<>"),
        (":setOperations", "<>"),
    ] {
        if clause.split(' ').next() != Some(field) {
            text.extend([" ", field, " ", value]);
        }
    }
    text + "}"
}

/// What is read of a query: its columns as `number=relation.column` (bare) or `number<...` (computed), what its rows go by
/// (`by`) and what can fail (`fails`).
fn read(query: &str) -> Option<String> {
    let Definition {
        outputs,
        conditions,
        fallible,
    } = Definition::of(&format!("({query})"))?;
    let names = |columns: &std::collections::BTreeSet<(u32, i16)>| {
        let names = columns.iter().map(|(relation, column)| format!("{relation}.{column}"));
        names.collect::<Vec<_>>().join("+")
    };
    let mut words: Vec<String> = outputs
        .iter()
        .map(|(number, source)| {
            format!(
                "{number}{}{}",
                if source.bare { '=' } else { '<' },
                names(&source.columns)
            )
        })
        .collect();
    words.push(format!("by {} fails {}", names(&conditions), names(&fallible)));
    Some(words.join(" "))
}

fn check(query: &str, wanted: &str) {
    assert_eq!(read(query).as_deref(), Some(wanted), "{query}");
}

const UPPER: &str = "{FUNCEXPR :funcid 871 :funcretset false :funcvariadic false :args";
const TO_DATE: &str = "{FUNCEXPR :funcid 1780 :funcretset false :funcvariadic false :args";

#[test]
fn follows_columns() {
    let column = variable(1, 3, 0);
    let plain = query(&[relation(70)], &[target(1, &column, 0)], "");
    check(&plain, "1=70.3 by  fails ");
    check(
        &query(
            &[format!("{{RANGETBLENTRY :rtekind 1 :subquery {plain}}}")],
            &[target(1, &variable(1, 1, 0), 0), target(2, &variable(1, 0, 0), 0)],
            "",
        ),
        "1=70.3 2<70.3 by  fails ",
    );
    let whole = query(&[relation(70)], &[target(1, &variable(1, 0, 0), 0)], "");
    check(&whole, "1<70.0 by  fails ");
    let system = query(&[relation(70)], &[target(1, &variable(1, -1, 0), 0)], "");
    check(&system, "1<70.-1 by  fails ");
    let join = format!(
        "{{RANGETBLENTRY :rtekind 2 :joinaliasvars ({} {})}}",
        variable(1, 4, 0),
        variable(2, 5, 0)
    );
    check(
        &query(
            &[relation(70), relation(80), join],
            &[target(1, &variable(3, 2, 0), 0)],
            "",
        ),
        "1=80.5 by  fails ",
    );
    let expression = "{RANGETBLENTRY :rtekind 6 :ctename c :ctelevelsup 0}".to_owned();
    let with = format!(":cteList ({{COMMONTABLEEXPR :ctename c :ctequery {plain} :cterecursive false}})");
    check(
        &query(&[expression], &[target(1, &variable(1, 1, 0), 0)], &with),
        "1=70.3 by  fails ",
    );
}

#[test]
fn tells_what_can_fail() {
    let column = variable(1, 3, 0);
    let total = query(&[relation(70)], &[target(1, &format!("{UPPER} ({column})}}"), 0)], "");
    check(&total, "1<70.3 by  fails ");
    let fails = query(&[relation(70)], &[target(1, &format!("{TO_DATE} ({column})}}"), 0)], "");
    check(&fails, "1<70.3 by  fails 70.3");
    let inside = format!("{UPPER} ({TO_DATE} ({column})}})}}");
    check(
        &query(&[relation(70)], &[target(1, &inside, 0)], ""),
        "1<70.3 by  fails 70.3",
    );
    let constant = "{CONST :constvalue 4 [ 1 0 0 0 ]}";
    for (arguments, fails) in [
        (format!("{column} {constant}"), ""),
        (format!("{constant} {column}"), "70.3"),
        (format!("{column} {column}"), "70.3"),
    ] {
        let substr = format!("{{FUNCEXPR :funcid 883 :funcretset false :funcvariadic false :args ({arguments})}}");
        check(
            &query(&[relation(70)], &[target(1, &substr, 0)], ""),
            &format!("1<70.3 by  fails {fails}"),
        );
    }
    let inner = query(&[relation(80)], &[target(1, &variable(1, 2, 0), 0)], "");
    let scalar = format!("{{SUBLINK :subLinkType 4 :testexpr <> :subselect {inner}}}");
    check(
        &query(&[relation(70)], &[target(1, &scalar, 0)], ""),
        "1<80.2 by  fails 80.2",
    );
}

#[test]
fn tells_what_rows_go_by() {
    let (column, other) = (variable(1, 3, 0), variable(1, 1, 0));
    let one = [target(1, &column, 0)];
    for clause in ["havingQual", "limitOffset", "limitCount", "windowClause"] {
        check(
            &query(&[relation(70)], &one, &format!(":{clause} {other}")),
            "1=70.3 by 70.1 fails ",
        );
    }
    check(
        &query(
            &[relation(70)],
            &one,
            &format!(":jointree {{FROMEXPR :fromlist ({{RANGETBLREF :rtindex 1}}) :quals {other}}}"),
        ),
        "1=70.3 by 70.1 fails ",
    );
    check(
        &query(&[relation(70)], &[target(1, &column, 1)], ""),
        "1=70.3 by 70.3 fails ",
    );
    let rows = format!("{{FUNCEXPR :funcid 1 :funcretset true :args ({other})}}");
    check(
        &query(&[relation(70)], &[target(1, &rows, 0)], ":hasTargetSRFs true"),
        "1<70.1 by 70.1 fails 70.1",
    );
    let function = format!("{{RANGETBLENTRY :rtekind 3 :functions ({{RANGETBLFUNCTION :funcexpr {column}}})}}");
    check(
        &query(&[relation(70), function], &[target(1, &variable(2, 1, 0), 0)], ""),
        "1< by 70.3 fails ",
    );
    // A star under EXISTS is not read, and what stands there otherwise is.
    let exists = |targets: &[String], clauses: &str| {
        let inner = query(&[relation(80)], targets, clauses);
        let exists = format!("{{SUBLINK :subLinkType 0 :testexpr <> :subselect {inner}}}");
        let clause = format!(":jointree {{FROMEXPR :fromlist <> :quals {exists}}}");
        query(&[relation(70)], &one, &clause)
    };
    check(&exists(&[target(1, &variable(1, 2, 0), 0)], ""), "1=70.3 by  fails ");
    check(
        &exists(&[target(1, &variable(1, 2, 0), 1)], ""),
        "1=70.3 by 80.2 fails ",
    );
    check(
        &exists(&[], &format!(":havingQual {}", variable(1, 4, 1))),
        "1=70.3 by 70.4 fails ",
    );
}

#[test]
fn merges_set_operations() {
    let arm = |oid: u32, column: i16| {
        let query = query(&[relation(oid)], &[target(1, &variable(1, column, 0), 0)], "");
        format!("{{RANGETBLENTRY :rtekind 1 :subquery {query}}}")
    };
    let union = |op: u8, all: bool, sorts: usize| {
        let operation = format!(
            ":setOperations {{SETOPERATIONSTMT :op {op} :all {all} :larg {{RANGETBLREF :rtindex 1}} :rarg {{RANGETBLREF :rtindex 2}}}}"
        );
        query(
            &[arm(70, 3), arm(80, 2)],
            &[target(1, &variable(1, 1, 0), sorts)],
            &operation,
        )
    };
    check(&union(1, true, 0), "1=70.3+80.2 by  fails ");
    check(&union(1, true, 1), "1=70.3+80.2 by 70.3+80.2 fails ");
    check(&union(1, false, 0), "1=70.3+80.2 by 70.3+80.2 fails ");
    check(&union(3, true, 0), "1=70.3+80.2 by 70.3+80.2 fails ");
}

#[test]
fn takes_a_recursive_query_as_a_condition() {
    let inner = query(&[relation(70)], &[target(1, &variable(1, 3, 0), 0)], "");
    let with = format!(":cteList ({{COMMONTABLEEXPR :ctename c :ctequery {inner} :cterecursive true}})");
    let expression = "{RANGETBLENTRY :rtekind 6 :ctename c :ctelevelsup 0}".to_owned();
    check(
        &query(&[expression], &[target(1, &variable(1, 1, 0), 0)], &with),
        "1< by 70.3 fails ",
    );
}

#[test]
fn what_is_not_known_makes_all_of_it_unknown() {
    let one = [target(1, &variable(1, 3, 0), 0)];
    for wrong in [
        query(&["{RANGETBLENTRY :rtekind 7}".to_owned()], &one, ""),
        query(&["{OTHER :rtekind 0 :relid 70}".to_owned()], &one, ""),
        query(&[], &one, ""),
        query(&[relation(70)], &[target(1, &variable(1, 3, 1), 0)], ""),
        query(&[relation(70)], &one, ":hasModifyingCTE true"),
        query(&[relation(70)], &one, ":utilityStmt {NOTIFYSTMT}"),
        query(&[relation(70)], &one, ":setOperations {OTHER :x 1}"),
        query(&[relation(70)], &one, "").replace("commandType 1", "commandType 2"),
        "{NOTHING}".to_owned(),
    ] {
        assert_eq!(read(&wrong), None, "{wrong}");
    }
    assert_eq!(Definition::of(""), None);
    assert_eq!(Definition::of("<>"), None);
}
