//! The payments, in memory and in a file.
//!
//! The file has one line per event, fields separated by tabs. A line that has no end was being written when the machine
//! stopped: nobody has been told of it, so it is cut off.
//!
//! ```text
//! charge <idempotency key> <payment id> <cents> <customer>
//! repeat <payment id>
//! refund <payment id>
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::json;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub id: String,
    pub cents: u64,
    customer: String,
    idempotency_key: String,
    /// How often it was asked for with this key.
    requests: u64,
    refunded: bool,
}

#[derive(Debug)]
pub struct Ledger {
    file: File,
    payments: Vec<Payment>,
}

impl Ledger {
    /// Open the ledger, or begin a new one.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        let mut ledger = Self { file, payments: Vec::new() };
        for line in text[..whole].lines() {
            ledger.apply(line).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, format!("the ledger has a strange line: `{line}`"))
            })?;
        }
        Ok(ledger)
    }

    /// Record a payment, unless one with this key is there.
    pub fn charge(&mut self, key: &str, customer: &str, cents: u64) -> io::Result<Payment> {
        let position = match self.payments.iter().position(|payment| payment.idempotency_key == key) {
            Some(position) => {
                self.write(&format!("repeat\t{}", self.payments[position].id))?;
                position
            }
            None => {
                let number = self.payments.len() + 1;
                let customer = json::quoted(customer);
                self.write(&format!("charge\t{key}\tpay_{number}\t{cents}\t{customer}"))?;
                number - 1
            }
        };
        Ok(self.payments[position].clone())
    }

    /// Refund a payment; false when there is none.
    pub fn refund(&mut self, payment_id: &str) -> io::Result<bool> {
        let refunded =
            self.payments.iter().find(|payment| payment.id == payment_id).map(|payment| payment.refunded);
        if refunded == Some(false) {
            self.write(&format!("refund\t{payment_id}"))?;
        }
        Ok(refunded.is_some())
    }

    pub fn to_json(&self) -> String {
        let payments: Vec<String> = self
            .payments
            .iter()
            .map(|payment| {
                format!(
                    r#"{{"payment_id":{},"customer":{},"cents":{},"idempotency_key":{},"requests":{},"refunded":{}}}"#,
                    json::quoted(&payment.id),
                    json::quoted(&payment.customer),
                    payment.cents,
                    json::quoted(&payment.idempotency_key),
                    payment.requests,
                    payment.refunded
                )
            })
            .collect();
        format!(r#"{{"payments":[{}]}}"#, payments.join(","))
    }

    /// The one way to change something: to the file first, then in memory.
    fn write(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all(format!("{line}\n").as_bytes())?;
        self.file.sync_data()?;
        self.apply(line).ok_or_else(|| io::Error::other(format!("cannot apply `{line}`")))
    }

    fn apply(&mut self, line: &str) -> Option<()> {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields.as_slice() {
            ["charge", key, id, cents, customer] => self.payments.push(Payment {
                id: (*id).to_owned(),
                cents: cents.parse().ok()?,
                customer: json::text(&format!(r#"{{"customer":{customer}}}"#), "customer")?,
                idempotency_key: (*key).to_owned(),
                requests: 1,
                refunded: false,
            }),
            ["repeat", id] => self.payment(id)?.requests += 1,
            ["refund", id] => self.payment(id)?.refunded = true,
            _ => return None,
        }
        Some(())
    }

    fn payment(&mut self, id: &str) -> Option<&mut Payment> {
        self.payments.iter_mut().find(|payment| payment.id == id)
    }
}
