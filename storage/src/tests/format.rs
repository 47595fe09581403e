//! Stored forms: every value has exactly one, nothing else is read, and forms of earlier days stay readable.

use std::{collections::BTreeSet, fmt::Write as _};

use bytes::Bytes;
use proptest::prelude::*;
use relight_core::{Command, Lsn, Timestamp, tables::Row};

use super::sample::{Sample, Source, any_of};
use crate::format::{FormatError, codec::Writer, decode_record, decode_row, encode_record, encode_row};

fn row_bytes(row: &Row) -> Bytes {
    let mut writer = Writer::default();
    encode_row(row, &mut writer);
    writer.finish()
}

proptest! {
    #[test]
    fn every_command_survives(command in any_of::<Command>(), time in any_of::<Timestamp>(), lsn in any_of::<Lsn>()) {
        let record = decode_record(lsn, encode_record(time, &command)).expect("was encoded");
        prop_assert_eq!(record.lsn, lsn);
        prop_assert_eq!(record.time, time);
        prop_assert_eq!(record.command, command);
    }

    #[test]
    fn every_row_survives(row in any_of::<Row>()) {
        prop_assert_eq!(decode_row(row_bytes(&row)), Ok(row));
    }

    #[test]
    fn every_truncation_is_told(command in any_of::<Command>(), row in any_of::<Row>()) {
        let record = encode_record(Timestamp(1), &command);
        for end in 0..record.len() {
            let error = decode_record(Lsn(1), record.slice(..end)).expect_err("it is cut");
            prop_assert!(matches!(error, FormatError::Truncated { at, .. } if at == end), "{error}");
        }
        let row = row_bytes(&row);
        for end in 0..row.len() {
            let error = decode_row(row.slice(..end)).expect_err("it is cut");
            prop_assert!(matches!(error, FormatError::Truncated { at, .. } if at == end), "{error}");
        }
    }

    #[test]
    fn bytes_left_over_are_told(command in any_of::<Command>(), more in 1usize..4) {
        let mut bytes = encode_record(Timestamp(1), &command).to_vec();
        let end = bytes.len();
        bytes.resize(end + more, 0);
        let error = decode_record(Lsn(1), bytes.into()).expect_err("there are more");
        prop_assert_eq!(error, FormatError::TrailingBytes { at: end, left: more });
    }

    #[test]
    fn what_reads_as_a_value_is_its_only_form(bytes in proptest::collection::vec(any::<u8>(), 0..64), tag in 1u8..16) {
        let bytes = Bytes::from([&[1, tag][..], &bytes].concat());
        if let Ok(row) = decode_row(bytes.clone()) {
            prop_assert_eq!(row_bytes(&row), bytes);
        }
    }

    #[test]
    fn what_reads_after_damage_is_its_only_form(command in any_of::<Command>(), seed in any::<u64>()) {
        let mut source = Source::new(seed);
        let mut bytes = encode_record(Timestamp(1), &command).to_vec();
        let at = source.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << source.below(8);
        if let Ok(record) = decode_record(Lsn(1), bytes.clone().into()) {
            prop_assert_eq!(encode_record(record.time, &record.command).to_vec(), bytes);
        }
    }
}

#[track_caller]
fn check_error(bytes: &[u8], text: &str) {
    let error = decode_row(Bytes::copy_from_slice(bytes)).expect_err("not a row");
    assert_eq!(error.to_string(), text);
}

#[test]
fn errors_name_what_is_wrong() {
    check_error(&[], "it ends at byte 0, where 1 more are needed");
    check_error(&[2, 6], "row has version 2; this program knows versions up to 1");
    check_error(&[0, 6], "row has version 0; this program knows versions up to 1");
    check_error(&[1, 200], "byte 1 is 200, which is no known tag of Row");
    check_error(&[1, 6, 0], "it ends at byte 2, but 1 more follow");
    // A state value that claims to be longer than what is there, by far.
    check_error(
        &[1, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        "it ends at byte 12, where 18446744073709551615 more are needed",
    );
    // Numbers with a superfluous byte, and one that needs 65 bits.
    check_error(&[1, 12, 0x81, 0x00], "at byte 2 is no valid number");
    check_error(
        &[1, 12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
        "at byte 2 is no valid number",
    );
    // A refusal's idempotency key that is no text.
    check_error(&[1, 13, 6, 2, 2, 0xc3, 0x28], "at byte 5 is no valid text");
}

#[test]
fn payloads_are_not_copied() {
    let row = Row::State(Bytes::from(vec![7; 1000]));
    let bytes = row_bytes(&row);
    let Ok(Row::State(payload)) = decode_row(bytes.clone()) else { panic!("a state row was encoded") };
    assert!(bytes.as_ptr_range().contains(&payload.as_ptr()));
}

/// One line each: kind, stored form in hexadecimal, value.
const FIXTURE: &str = include_str!("../../fixtures/format-1.txt");
/// Values per kind; more than enough for each tag to come up.
const FIXTURE_VALUES: u64 = 160;

/// What the current version writes for a fixed set of values. `RELIGHT_WRITE_FIXTURES=1` replaces the file, which is
/// allowed only as long as no release has written data.
fn fixture() -> String {
    let mut text = String::new();
    for seed in 0..FIXTURE_VALUES {
        let command = Command::sample(&mut Source::new(seed));
        let hex = hex(&encode_record(Timestamp(seed), &command));
        writeln!(text, "record\t{hex}\t{:?}", (Timestamp(seed), command)).expect("a string takes all");
        let row = Row::sample(&mut Source::new(seed));
        writeln!(text, "row\t{}\t{row:?}", self::hex(&row_bytes(&row))).expect("a string takes all");
    }
    text
}

#[test]
fn stored_forms_of_version_1_are_read_and_written_as_ever() {
    if std::env::var_os("RELIGHT_WRITE_FIXTURES").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/format-1.txt");
        std::fs::write(path, fixture()).expect("write fixture");
        return;
    }
    let (mut commands, mut rows) = (BTreeSet::new(), BTreeSet::new());
    for line in FIXTURE.lines() {
        let [kind, form, value] = line.splitn(3, '\t').collect::<Vec<_>>()[..] else {
            panic!("bad line {line}")
        };
        let bytes = unhex(form);
        match kind {
            "record" => {
                let record = decode_record(Lsn(1), bytes.clone()).expect("written by version 1");
                assert_eq!(format!("{:?}", (record.time, &record.command)), value);
                assert_eq!(encode_record(record.time, &record.command), bytes);
                commands.insert(bytes[1 + varint_bytes(record.time.0)]);
            }
            "row" => {
                let row = decode_row(bytes.clone()).expect("written by version 1");
                assert_eq!(format!("{row:?}"), value);
                assert_eq!(row_bytes(&row), bytes);
                rows.insert(bytes[1]);
            }
            other => panic!("unknown kind {other}"),
        }
    }
    assert_eq!(commands, (1..=27).collect());
    assert_eq!(rows, (1..=22).collect());
}

fn varint_bytes(value: u64) -> usize {
    if value < 0x80 { 1 } else { 2 }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn unhex(text: &str) -> Bytes {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal");
    digits.map(byte).collect::<Vec<_>>().into()
}
