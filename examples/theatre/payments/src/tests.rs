//! The ledger, its file, and the fields of requests.

use std::fs;

use crate::json;
use crate::ledger::Ledger;

#[test]
fn one_key_is_one_payment_also_after_a_restart() {
    let path = std::env::temp_dir().join(format!("theatre-payments-{}-restart", std::process::id()));
    let first = Ledger::open(&path).expect("open").charge("k1", "ann", 8000).expect("charge");
    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"charge\tk2\tpay_2\t1"))
        .expect("a line without an end");
    let mut ledger = Ledger::open(&path).expect("open again");
    assert_eq!(ledger.charge("k1", "ann", 8000).expect("repeat").id, first.id);
    assert_eq!(ledger.charge("k2", "bob", 4000).expect("charge").id, "pay_2");
    assert!(ledger.refund("pay_1").expect("refund"));
    assert!(!ledger.refund("pay_9").expect("unknown payment"));
    let json = Ledger::open(&path).expect("open a third time").to_json();
    fs::remove_file(&path).expect("clean up");
    assert_eq!(
        json,
        r#"{"payments":[{"payment_id":"pay_1","customer":"ann","cents":8000,"idempotency_key":"k1","requests":2,"refunded":true},"#
            .to_owned()
            + r#"{"payment_id":"pay_2","customer":"bob","cents":4000,"idempotency_key":"k2","requests":1,"refunded":false}]}"#
    );
}

#[test]
fn fields_are_found_by_name() {
    let body = r#"{"customer": "cents", "note":"\"cents\": 1", "cents":80}"#;
    assert_eq!(json::text(body, "customer").as_deref(), Some("cents"));
    assert_eq!(json::number(body, "cents"), Some(80));
    assert_eq!(json::text(body, "missing"), None);
    assert_eq!(json::text(r#"{"a":"tab\tand \u00e9"}"#, "a").as_deref(), Some("tab\tand é"));
}

#[test]
fn quoting_can_be_undone() {
    let text = "a\"b\\c\td";
    assert_eq!(json::text(&format!(r#"{{"t":{}}}"#, json::quoted(text)), "t").as_deref(), Some(text));
}
