//! Frames of a reply, cut into chunks that fit events, each with whose records its rows are.
//!
//! Not here: what is recorded beside frames.

use std::collections::BTreeMap;

use exhibit_policy::mask::Masked;
use exhibit_policy::patients::Records;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::event::access::{Frame, PatientRecords, PatientToken, RecordsReleased};

use crate::error::GateError;

/// Bytes of one row's cells at the most; a protocol turns a longer row into its wire bytes first
/// ([`Masked::framed`]), which are then cut into several chunks.
pub const ROW_BYTES_MAX: usize = 48 * 1_024;

/// Encoded bytes of the frames of one chunk, and of the patients whose records they are, at the most: an event's 65,535 less its
/// head, and less the columns.
const CHUNK_BYTES_MAX: usize = 60_000;

/// Head of a CBOR string or array of up to 4 GiB, at the most; also the price of an absent cell.
const HEAD_BYTES: usize = 5;

/// An encoded patient with a number of records, at the most: the heads of both and of their map, two keys, the token and a
/// number of 32 bits, which no chunk has as many rows as.
const PATIENT_BYTES: usize = 25;

/// Cuts frames into chunks that fit events; verbatim frames may be split, rows stay whole.
pub(crate) fn chunks(frames: &[Masked<Frame>]) -> Result<Vec<Packed>, GateError> {
    let mut packer = Packer::default();
    for frame in frames {
        match frame.get() {
            Frame::Verbatim(bytes) => packer.verbatim(&bytes.0, frame)?,
            row @ Frame::Row(_) => packer.row(row, frame.records())?,
        }
    }
    packer.close();
    Ok(packer.chunks)
}

/// Frames of one chunk.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) frames: Vec<Frame>,
    /// Rows that begin in verbatim ones among them.
    pub(crate) framed_rows: u64,
    /// Records of each patient among the rows that begin in it.
    pub(crate) patients: BTreeMap<PatientToken, u64>,
    /// Rows that may be a record of an unknown one.
    pub(crate) unknown: u64,
}

impl Packed {
    /// Whose records its rows are, as its event has it; `None` where they are no patients'.
    pub(crate) fn released(&mut self) -> Option<RecordsReleased> {
        let patients: Vec<_> = std::mem::take(&mut self.patients)
            .into_iter()
            .map(|(patient, records)| PatientRecords { patient, records })
            .collect();
        (self.unknown > 0 || !patients.is_empty()).then_some(RecordsReleased {
            patients,
            unknown: self.unknown,
        })
    }
}

#[derive(Default)]
struct Packer {
    chunks: Vec<Packed>,
    open: Packed,
    used: usize,
}

impl Packer {
    fn verbatim(&mut self, mut bytes: &[u8], frame: &Masked<Frame>) -> Result<(), GateError> {
        let mut rows = frame.rows();
        // Room for its first byte; whose records its rows are stands where they begin.
        self.records(frame.records(), HEAD_BYTES + 1, bytes.len())?;
        while !bytes.is_empty() {
            if self.used + HEAD_BYTES >= CHUNK_BYTES_MAX {
                self.close();
            }
            let room = CHUNK_BYTES_MAX - self.used - HEAD_BYTES;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.used += now.len() + HEAD_BYTES;
            self.open.frames.push(Frame::Verbatim(Bytes(now.to_vec())));
            self.open.framed_rows += std::mem::take(&mut rows);
            bytes = later;
        }
        Ok(())
    }

    fn row(&mut self, row: &Frame, records: &Records) -> Result<(), GateError> {
        let Frame::Row(cells) = row else { return Ok(()) };
        let bytes = cell_bytes(cells);
        let encoded = bytes + HEAD_BYTES * (cells.len() + 1);
        if bytes > ROW_BYTES_MAX {
            return Err(GateError::RowTooLong { bytes });
        }
        self.records(records, encoded, bytes)?;
        self.used += encoded;
        self.open.frames.push(row.clone());
        Ok(())
    }

    /// Notes whose records the rows of the next frame are, in the chunk that takes so many encoded bytes of it.
    fn records(&mut self, records: &Records, encoded: usize, bytes: usize) -> Result<(), GateError> {
        let named = &self.open.patients;
        let new = records.patients.iter().filter(|patient| !named.contains_key(patient));
        let wanted = encoded + PATIENT_BYTES * new.count();
        if self.used + wanted > CHUNK_BYTES_MAX {
            self.close();
        }
        if self.used == 0 && encoded + PATIENT_BYTES * records.patients.len() > CHUNK_BYTES_MAX {
            return Err(GateError::RowTooLong { bytes });
        }
        for patient in &records.patients {
            let known = self.open.patients.entry(*patient).or_insert_with(|| {
                self.used += PATIENT_BYTES;
                0
            });
            *known = known.saturating_add(1);
        }
        self.open.unknown = self.open.unknown.saturating_add(records.unknown);
        Ok(())
    }

    fn close(&mut self) {
        if !self.open.frames.is_empty() {
            self.chunks.push(std::mem::take(&mut self.open));
        }
        self.used = 0;
    }
}

pub(super) fn cell_bytes(cells: &[Option<Bytes>]) -> usize {
    cells.iter().flatten().map(|cell| cell.0.len()).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use exhibit_policy::mask::{CellKind, MaskKey, Masked, RowMasker};
    use exhibit_policy::net::SessionNet;
    use exhibit_policy::patients::{Identified, Identifying, Naming};
    use exhibit_schemas::cbor;
    use exhibit_schemas::event::access::Frame;
    use proptest::prelude::*;

    use super::{CHUNK_BYTES_MAX, ROW_BYTES_MAX, chunks};
    use crate::error::GateError;

    fn row(cells: Vec<Option<Vec<u8>>>) -> Masked<Frame> {
        let mut masker = RowMasker::new(vec![None; cells.len()], MaskKey::new([0; 32]));
        masker.row(cells, &mut SessionNet::default()).unwrap()
    }

    fn wire<'a>(frames: impl Iterator<Item = &'a Frame>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in frames {
            match frame {
                Frame::Verbatim(part) => bytes.extend_from_slice(&part.0),
                Frame::Row(cells) => bytes.extend(cbor::encode(cells)),
            }
        }
        bytes
    }

    fn frame() -> impl Strategy<Value = Masked<Frame>> {
        prop_oneof![
            (0_usize..200_000, any::<u8>()).prop_map(|(size, byte)| Masked::framing(vec![byte; size])),
            proptest::collection::vec(proptest::option::of((0_usize..9_000, any::<u8>())), 0..5).prop_map(|cells| {
                row(cells
                    .into_iter()
                    .map(|cell| cell.map(|(size, byte)| vec![byte; size]))
                    .collect())
            }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn chunks_fit_events_and_hold_exactly_the_frames_in_order(frames in proptest::collection::vec(frame(), 0..8)) {
            let chunks = chunks(&frames).unwrap();
            for chunk in &chunks {
                prop_assert!(!chunk.frames.is_empty());
                prop_assert!(cbor::encode(&chunk.frames).len() <= CHUNK_BYTES_MAX + 5);
            }
            prop_assert_eq!(wire(chunks.iter().flat_map(|chunk| &chunk.frames)), wire(frames.iter().map(Masked::get)));
        }
    }

    /// A row of one cell that names its patient, framed by its protocol or not.
    fn record(number: u32, padding: usize, framed: bool) -> Masked<Frame> {
        let identified = Identified {
            columns: vec![Identifying {
                place: 0,
                domain: "patient".to_owned(),
                naming: Naming::Value(CellKind::Text),
            }],
            whole: !number.is_multiple_of(7),
        };
        let mut masker = RowMasker::new(vec![None; 2], MaskKey::new([0; 32])).identified(Some(identified));
        let cells = vec![Some(number.to_string().into_bytes()), Some(vec![b'x'; padding])];
        let row = masker.row(cells, &mut SessionNet::default()).unwrap();
        if framed { row.framed(cbor::encode) } else { row }
    }

    fn check_records(frames: &[Masked<Frame>]) {
        let (mut rows, mut known, mut unknown) = (0, BTreeMap::<_, u64>::new(), 0);
        for mut chunk in chunks(frames).unwrap() {
            let of_rows = chunk
                .frames
                .iter()
                .filter(|frame| matches!(frame, Frame::Row(_)))
                .count();
            let begun = u64::try_from(of_rows).unwrap() + chunk.framed_rows;
            let frames = cbor::encode(&chunk.frames).len();
            let Some(released) = chunk.released() else {
                assert_eq!(begun, 0);
                continue;
            };
            assert!(frames + cbor::encode(&released).len() <= CHUNK_BYTES_MAX + 20);
            let counted: u64 = released.patients.iter().map(|one| one.records).sum();
            assert_eq!(counted, begun, "a chunk counts its own rows");
            for one in released.patients {
                *known.entry(one.patient).or_default() += one.records;
            }
            rows += begun;
            unknown += released.unknown;
        }
        let mut wanted = BTreeMap::<_, u64>::new();
        for patient in frames.iter().flat_map(|frame| &frame.records().patients) {
            *wanted.entry(*patient).or_default() += 1;
        }
        assert_eq!(rows, frames.iter().map(Masked::rows).sum::<u64>());
        assert_eq!(known, wanted);
        assert_eq!(unknown, frames.iter().map(|frame| frame.records().unknown).sum::<u64>());
    }

    #[test]
    fn rows_shorter_than_their_tokens_are_cut_by_those() {
        let rows: Vec<_> = (0..9_000).map(|number| record(number, 0, number % 2 == 0)).collect();
        check_records(&rows);
        assert!(chunks(&rows).unwrap().len() > 4);
        // The same patients again take no room.
        let again: Vec<_> = (0..3_000).map(|number| record(number % 5, 0, false)).collect();
        check_records(&again);
        assert_eq!(chunks(&again).unwrap().len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn records_stand_where_their_rows_begin(
            rows in proptest::collection::vec((0_u32..40, 0_usize..30_000, any::<bool>()), 0..12),
        ) {
            let rows: Vec<_> = rows.into_iter().map(|(number, padding, framed)| record(number, padding, framed)).collect();
            check_records(&rows);
        }
    }

    #[test]
    fn a_row_past_its_limit_is_refused() {
        let sized = |bytes| chunks(&[row(vec![Some(vec![b'x'; bytes])])]).map(|chunks| chunks.len());
        assert_eq!(sized(ROW_BYTES_MAX), Ok(1));
        assert_eq!(
            sized(ROW_BYTES_MAX + 1),
            Err(GateError::RowTooLong {
                bytes: ROW_BYTES_MAX + 1
            })
        );
        let wide = chunks(&[row(vec![None; 12_000])]);
        assert_eq!(wide, Err(GateError::RowTooLong { bytes: 0 }));
    }
}
