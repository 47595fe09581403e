//! Stored keys: their order is that of keys, and a prefix is a range.

use proptest::prelude::*;
use relight_core::tables::{Key, Prefix};

use super::sample::{Near, any_of};
use crate::format::key::{decode, encode, lowest, range};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_key_survives(key in any_of::<Key>()) {
        prop_assert_eq!(decode(&encode(&key)), Ok(key));
    }

    #[test]
    fn byte_order_is_key_order(a in any_of::<Key>(), b in any_of::<Key>()) {
        prop_assert_eq!(encode(&a).cmp(&encode(&b)), a.cmp(&b));
    }

    #[test]
    fn byte_order_of_near_keys_is_key_order(a in any_of::<Near<Key>>(), b in any_of::<Near<Key>>()) {
        prop_assert_eq!(encode(&a.0).cmp(&encode(&b.0)), a.0.cmp(&b.0));
    }

    #[test]
    fn a_range_holds_the_keys_of_its_prefix(
        key in any_of::<Near<Key>>(), prefix in any_of::<Near<Prefix>>(), after in any_of::<Near<Key>>(),
    ) {
        let (key, prefix, after) = (key.0, prefix.0, after.0);
        let within = |(start, end): (Vec<u8>, Vec<u8>)| (start..end).contains(&encode(&key));
        prop_assert_eq!(within(range(&prefix, None)), prefix.contains(&key));
        prop_assert_eq!(within(range(&prefix, Some(&after))), prefix.contains(&key) && key > after);
    }

    #[test]
    fn the_lowest_key_of_a_prefix_is_below_its_others(
        key in any_of::<Near<Key>>(), prefix in any_of::<Near<Prefix>>(),
    ) {
        let lowest = lowest(&prefix.0);
        prop_assert!(prefix.0.contains(&lowest));
        prop_assert!(!prefix.0.contains(&key.0) || lowest <= key.0);
    }

    #[test]
    fn what_reads_as_a_key_is_its_only_form(
        tag in 0u8..0x90, rest in proptest::collection::vec(prop_oneof![Just(0u8), Just(0xff), any::<u8>()], 0..60),
    ) {
        let bytes = [&[tag][..], &rest].concat();
        if let Ok(key) = decode(&bytes) {
            prop_assert_eq!(encode(&key), bytes);
        }
    }
}

#[test]
fn every_truncated_key_is_told() {
    let mut source = super::sample::Source::new(1);
    for _ in 0..500 {
        let bytes = encode(&<Key as super::sample::Sample>::sample(&mut source));
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{bytes:?} cut at {end}");
        }
    }
}
