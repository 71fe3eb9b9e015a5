//! CBOR as AWS's RPC protocol uses it, read into JSON and written from it.

use serde_json::{Map, Number, Value};

/// AWS's inputs are not nested so deep.
const DEPTH_MAX: usize = 32;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;
/// The length of what ends with a break.
const INDEFINITE: u8 = 31;
const BREAK: u8 = 0xff;
/// The tag of a time in seconds since 1970.
const EPOCH: u8 = 1;

/// Reads an item; nothing where it is none, or has what JSON has not.
pub(crate) fn read(bytes: &[u8]) -> Option<Value> {
    if bytes.is_empty() {
        return Some(Value::Object(Map::new()));
    }
    item(&mut Reader(bytes), DEPTH_MAX)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// The number after a head: in it, or in the bytes that follow.
    fn number(&mut self, short: u8) -> Option<u64> {
        let count = match short {
            0..24 => return Some(u64::from(short)),
            24..28 => 1_usize << (short - 24),
            _ => return None,
        };
        Some(self.take(count)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Whether a list of unknown length ends here.
    fn ends(&mut self) -> Option<bool> {
        let ends = *self.0.first()? == BREAK;
        if ends {
            self.byte()?;
        }
        Some(ends)
    }
}

fn item(reader: &mut Reader<'_>, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let head = reader.byte()?;
    let (kind, short) = (head >> 5, head & 31);
    match kind {
        UNSIGNED => reader.number(short).map(Value::from),
        NEGATIVE => Some(Value::from(-1 - i64::try_from(reader.number(short)?).ok()?)),
        TEXT => text(reader, short).map(Value::from),
        ARRAY => {
            let mut values = Vec::new();
            each(reader, short, |reader| {
                values.push(item(reader, depth)?);
                Some(())
            })?;
            Some(Value::Array(values))
        }
        MAP => {
            let mut members = Map::new();
            each(reader, short, |reader| {
                let Value::String(key) = item(reader, depth)? else { return None };
                members.insert(key, item(reader, depth)?);
                Some(())
            })?;
            Some(Value::Object(members))
        }
        TAG => {
            reader.number(short)?;
            item(reader, depth)
        }
        SIMPLE => simple(reader, short),
        _ => None,
    }
}

fn each(reader: &mut Reader<'_>, short: u8, mut read: impl FnMut(&mut Reader<'_>) -> Option<()>) -> Option<()> {
    if short == INDEFINITE {
        while !reader.ends()? {
            read(reader)?;
        }
        return Some(());
    }
    for _ in 0..reader.number(short)? {
        read(reader)?;
    }
    Some(())
}

fn text(reader: &mut Reader<'_>, short: u8) -> Option<String> {
    if short == INDEFINITE {
        let mut whole = String::new();
        while !reader.ends()? {
            let head = reader.byte()?;
            whole.push_str(&text(reader, head & 31)?);
        }
        return Some(whole);
    }
    let length = usize::try_from(reader.number(short)?).ok()?;
    std::str::from_utf8(reader.take(length)?).ok().map(str::to_owned)
}

fn simple(reader: &mut Reader<'_>, short: u8) -> Option<Value> {
    match short {
        20 => Some(Value::Bool(false)),
        21 => Some(Value::Bool(true)),
        22 | 23 => Some(Value::Null),
        26 => Number::from_f64(f64::from(f32::from_be_bytes(reader.take(4)?.try_into().ok()?))).map(Value::Number),
        27 => Number::from_f64(f64::from_be_bytes(reader.take(8)?.try_into().ok()?)).map(Value::Number),
        _ => None,
    }
}

/// Writes a JSON value. A number whose key ends in `Timestamp` is a time.
pub(crate) fn write(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, value);
    bytes
}

fn put(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => bytes.push(SIMPLE << 5 | 22),
        Value::Bool(value) => bytes.push(SIMPLE << 5 | if *value { 21 } else { 20 }),
        Value::Number(number) => put_number(bytes, number),
        Value::String(text) => {
            head(bytes, TEXT, text.len() as u64);
            bytes.extend_from_slice(text.as_bytes());
        }
        Value::Array(values) => {
            head(bytes, ARRAY, values.len() as u64);
            values.iter().for_each(|value| put(bytes, value));
        }
        Value::Object(members) => {
            head(bytes, MAP, members.len() as u64);
            for (key, value) in members {
                put(bytes, &Value::String(key.clone()));
                if key.ends_with("Timestamp") && value.is_number() {
                    bytes.push(TAG << 5 | EPOCH);
                }
                put(bytes, value);
            }
        }
    }
}

fn put_number(bytes: &mut Vec<u8>, number: &Number) {
    if let Some(number) = number.as_u64() {
        head(bytes, UNSIGNED, number);
    } else if let Some(number) = number.as_i64() {
        head(bytes, NEGATIVE, (-1 - number).unsigned_abs());
    } else {
        bytes.push(SIMPLE << 5 | 27);
        bytes.extend_from_slice(&number.as_f64().unwrap_or_default().to_be_bytes());
    }
}

/// A kind and its number, which takes as many bytes as it has to; eight are always right.
fn head(bytes: &mut Vec<u8>, kind: u8, number: u64) {
    match u8::try_from(number) {
        Ok(short) if short < 24 => bytes.push(kind << 5 | short),
        _ => {
            bytes.push(kind << 5 | 27);
            bytes.extend_from_slice(&number.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let text = "x".repeat(300);
        for value in [
            json!({}),
            json!({"AlarmNames": ["a", text], "MaxRecords": 100, "Deep": {"Of": [1, -5, 2.5, true, null]}}),
            json!({"StateUpdatedTimestamp": 1_795_259_237.5, "CountTimestamp": 1_795_259_237}),
        ] {
            assert_eq!(read(&write(&value)), Some(value));
        }
    }

    #[test]
    fn lists_and_texts_of_unknown_length_are_read() {
        // {_ "a": [_ 1, 2], "b": (_ "x", "y")}
        let bytes = [0xbf, 0x61, b'a', 0x9f, 1, 2, 0xff, 0x61, b'b', 0x7f, 0x61, b'x', 0x61, b'y', 0xff, 0xff];
        assert_eq!(read(&bytes), Some(json!({"a": [1, 2], "b": "xy"})));
        assert_eq!(read(&[0xa1, 0x61]), None, "it ends too early");
    }
}
