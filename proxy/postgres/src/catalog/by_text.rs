//! Rules that read by a text: their tree names a function of the server, and not what it reads.

use std::ops::RangeInclusive;

/// Functions of the server that hand out content of relations, large objects, files or replication slots by a name or a query in
/// a text: `table_to_xml`, `query_to_xml`, `schema_to_xml`, `database_to_xml` and their like; `ts_rewrite` and `ts_stat` of a
/// query; `lo_import`, `lo_export`, `lo_open`, `loread`, `lo_get`; `pg_read_file`, `pg_read_binary_file`, `pg_ls_dir`, in all
/// versions; changes of a slot. Numbers of the server's own functions never change (`pg_proc.dat`).
const BY_TEXT: [RangeInclusive<u32>; 13] = [
    2923..=2930,
    2933..=2938,
    3685..=3685,
    3689..=3690,
    764..=767,
    952..=954,
    3458..=3459,
    2624..=2625,
    3293..=3297,
    3826..=3828,
    4100..=4100,
    6208..=6209,
    3782..=3785,
];

/// A regular expression of the server that finds a call of one of them in a tree (`outfuncs.c`). A name that looks like a call
/// makes it so, too: that only refuses more.
pub(super) fn call() -> String {
    let numbers: Vec<String> = BY_TEXT.into_iter().flatten().map(|number| number.to_string()).collect();
    format!(":funcid ({}) ", numbers.join("|"))
}
