//! Views that read by a text: their tree names a function of the server, and not what it reads.

use std::ops::RangeInclusive;

/// What stands before the number of a function in a tree (`outfuncs.c`).
const FUNCTION: &str = ":funcid ";

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

/// Whether a tree calls one of them. A name that looks like a call makes it so, too: that only refuses more.
pub(super) fn reads(tree: &str) -> bool {
    tree.match_indices(FUNCTION).any(|(place, found)| {
        let number = tree.get(place + found.len()..).unwrap_or_default();
        let end = number
            .find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(number.len());
        let number = number.get(..end).unwrap_or_default().parse();
        // A number that cannot be read could be any.
        number.map_or(true, |number| BY_TEXT.iter().any(|range| range.contains(&number)))
    })
}

#[cfg(test)]
mod tests {
    use super::reads;

    #[test]
    fn finds_calls_anywhere() {
        assert!(reads("({QUERY :x {FUNCEXPR :funcid 2924 :funcresulttype 142}})"));
        assert!(reads("({QUERY :x {FUNCEXPR :funcid 871} :y {FUNCEXPR :funcid 3459}})"));
        assert!(reads("{FUNCEXPR :funcid 99999999999}") && reads("{FUNCEXPR :funcid "));
        assert!(!reads("({QUERY :x {FUNCEXPR :funcid 871 :funcresulttype 2924}})"));
        assert!(!reads("{OPEXPR :opno 98 :opfuncid 2924}"));
    }
}
