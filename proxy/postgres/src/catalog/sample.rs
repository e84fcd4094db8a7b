//! A small clinic for tests: tables with masked columns, and everything around them that could show their data.

use super::Catalog;

/// Masked columns of the sample.
pub(crate) const MASKED: [&str; 6] = [
    "public.patients.ssn",
    "public.patients.name",
    "public.visits.note",
    "public.family.secret",
    "public.leaf.pin",
    "public.derived.ssn",
];

/// Relations: number, schema, name, kind, columns.
const RELATIONS: [(u32, &str, &str, &str, &str); 25] = [
    (16401, "public", "patients", "r", "id name ssn city born"),
    (16402, "public", "encounters", "r", "id patient_id kind started note"),
    (16403, "public", "facilities", "r", "id name city"),
    (16404, "public", "patient_view", "v", "id ssn city"),
    (16405, "public", "view_of_view", "v", "id ssn"),
    (16406, "public", "facility_view", "v", "id name"),
    (16407, "public", "visits", "p", "id patient_id note"),
    (16408, "public", "visits_2024", "r", "id patient_id note"),
    (16409, "public", "family", "r", "id secret"),
    (16410, "public", "family_child", "r", "id secret more"),
    (16411, "public", "trunk", "p", "id pin"),
    (16412, "public", "leaf", "r", "id pin"),
    (16413, "public", "derived", "r", "id ssn last4 twice"),
    (16414, "public", "patient_totals", "m", "city total"),
    (16415, "public", "caller_view", "v", "id"),
    (16416, "public", "patients_id_seq", "S", "last_value log_cnt is_called"),
    (16417, "public", "patients_pkey", "i", ""),
    (16418, "other", "patients", "r", "id ssn name city"),
    (16419, "other", "plain", "r", "id word"),
    (16420, "pg_temp_3", "scratch", "r", "id word"),
    (16421, "public", "stats_view", "v", "attname"),
    (16422, "public", "Odd Name", "r", "id"),
    (16423, "public", "ruled", "r", "id"),
    (16424, "audit", "log", "r", "id line"),
    (16425, "audit", "named", "r", "id secret_of"),
];

const SYSTEM: &str = "pg_class pg_namespace pg_attribute pg_attrdef pg_type pg_index pg_constraint pg_inherits pg_am \
     pg_collation pg_description pg_trigger pg_policy pg_statistic pg_stats pg_stats_ext pg_stats_ext_exprs \
     pg_statistic_ext pg_statistic_ext_data pg_stat_activity pg_stat_statements pg_prepared_statements pg_cursors \
     pg_largeobject pg_authid pg_shadow pg_roles pg_auth_members pg_database pg_proc pg_language pg_publication \
     pg_publication_rel pg_publication_namespace pg_publication_tables pg_user_mapping pg_subscription pg_hba_file_rules \
     pg_file_settings pg_range pg_enum pg_opclass pg_partitioned_table pg_foreign_table pg_foreign_server pg_extension \
     pg_depend pg_settings pg_tablespace pg_rewrite pg_sequence pg_tables pg_matviews pg_views pg_replication_slots \
     pg_stat_replication pg_locks pg_prepared_xacts pg_user_mappings";

/// The sample's catalog.
pub(crate) fn catalog() -> Catalog {
    Catalog::from_rows(&tables()).expect("the sample is of the queries' shapes")
}

/// The rows that would load it.
pub(crate) fn tables() -> Vec<Vec<Vec<Option<String>>>> {
    let mut relations = Vec::new();
    let mut columns = Vec::new();
    for (oid, schema, name, kind, names) in RELATIONS {
        let temporary = if schema.starts_with("pg_temp") { "t" } else { "f" };
        relations.push(row(&[&oid.to_string(), schema, name, kind, temporary]));
        for (number, column) in names.split_ascii_whitespace().enumerate() {
            columns.push(row(&[&oid.to_string(), &(number + 1).to_string(), column, "25"]));
        }
    }
    for (place, name) in SYSTEM.split_ascii_whitespace().enumerate() {
        relations.push(row(&[&(1_000 + place).to_string(), "pg_catalog", name, "r", "f"]));
    }
    for (place, name) in "tables columns routines".split_ascii_whitespace().enumerate() {
        relations.push(row(&[
            &(13_000 + place).to_string(),
            "information_schema",
            name,
            "v",
            "f",
        ]));
    }
    vec![
        relations,
        columns,
        rows(&["16408 16407", "16410 16409", "16412 16411"]),
        rows(&[
            "16404 16401",
            "16405 16404",
            "16406 16403",
            "16414 16401",
            "16421 1014",
            "16423 16401",
        ]),
        rows(&["16415"]),
        rows(&["16413 3 2", "16413 4 1"]),
        rows(&[
            "public leak plpgsql",
            "public replace sql",
            "public similarity c",
            "other leak sql",
            "public secret_of sql",
        ]),
        rows(&["@@@"]),
        rows(&["mood"]),
        rows(&["pg_temp_3", "pg_catalog", "public"]),
        rows(&["16402 w", "16409 r", "16408 w", "16423 r", "16419 s"]),
    ]
}

fn rows(lines: &[&str]) -> Vec<Vec<Option<String>>> {
    lines
        .iter()
        .map(|line| row(&line.split(' ').collect::<Vec<_>>()))
        .collect()
}

fn row(cells: &[&str]) -> Vec<Option<String>> {
    cells.iter().map(|cell| Some((*cell).to_owned())).collect()
}
