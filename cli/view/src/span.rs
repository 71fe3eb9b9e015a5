//! Lengths of time, as people write and read them.

use clap::builder::TypedValueParser;

/// The longest that is taken: a year.
const LONGEST_SECONDS: i64 = 366 * 24 * 3600;
const UNITS: [(char, i64); 4] = [('d', 24 * 3600), ('h', 3600), ('m', 60), ('s', 1)];

/// Reads `90s`, `30m`, `2h`, `7d` or a sum of them, `1h30m`; seconds.
///
/// # Errors
/// A sentence that says what would be right.
pub fn parse(text: &str) -> Result<i64, String> {
    let wrong = || format!("\"{text}\" is no length of time: write 90s, 30m, 2h, 7d, or 1h30m");
    let (mut seconds, mut digits) = (0_i64, String::new());
    for character in text.trim().chars() {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        let unit = UNITS.iter().find(|(letter, _)| *letter == character).ok_or_else(wrong)?;
        let number: i64 = digits.parse().map_err(|_| wrong())?;
        seconds = number.checked_mul(unit.1).and_then(|more| seconds.checked_add(more)).ok_or_else(wrong)?;
        digits.clear();
    }
    if !digits.is_empty() || seconds == 0 {
        return Err(wrong());
    }
    if seconds > LONGEST_SECONDS {
        return Err(format!("{text} is longer than a year"));
    }
    Ok(seconds)
}

/// A length of time by its two largest units: `2 h 12 min`.
#[must_use]
pub fn words(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let two = |a: i64, first: &str, b: i64, second: &str| {
        if b == 0 { format!("{a} {first}") } else { format!("{a} {first} {b} {second}") }
    };
    if days > 0 {
        two(days, "d", hours, "h")
    } else if hours > 0 {
        two(hours, "h", minutes, "min")
    } else if minutes > 0 {
        two(minutes, "min", seconds % 60, "s")
    } else {
        format!("{seconds} s")
    }
}

/// [`parse`] as an argument's parser.
#[must_use]
pub fn parser() -> impl TypedValueParser<Value = i64> {
    clap::builder::StringValueParser::new().try_map(|text| parse(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        for (text, want) in [("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("7d", 604_800)] {
            assert_eq!(parse(text), Ok(want), "{text}");
        }
        for text in ["", "2", "h", "2x", "0s", "1h30", "-2h", "9999999999999999999d", "400d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_are_said_by_two_units() {
        for (seconds, want) in
            [(5, "5 s"), (60, "1 min"), (75, "1 min 15 s"), (7_920, "2 h 12 min"), (90_000, "1 d 1 h"), (-3, "0 s")]
        {
            assert_eq!(words(seconds), want);
        }
    }
}
