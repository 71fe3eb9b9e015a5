//! Texts that people, pipelines and AWS might send: words that are known, words spoilt, and anything.

use crate::choices::Choices;

/// Characters that have broken something somewhere.
const ODD: &[char] = &[
    'a',
    '0',
    ' ',
    '-',
    '_',
    '.',
    '/',
    ':',
    '@',
    '=',
    '+',
    ',',
    ';',
    '#',
    '*',
    '?',
    '"',
    '\'',
    '\\',
    '<',
    '>',
    '&',
    '{',
    '}',
    '[',
    ']',
    '(',
    ')',
    '%',
    '$',
    '~',
    '|',
    '\n',
    '\r',
    '\t',
    '\0',
    '\u{1}',
    '\u{1b}',
    '\u{7f}',
    '\u{85}',
    '\u{a0}',
    '\u{ad}',
    'ä',
    'ß',
    'İ',
    'ǅ',
    '٣',
    '½',
    'Ⅷ',
    '中',
    '\u{300}',
    '\u{200b}',
    '\u{200d}',
    '\u{202e}',
    '\u{2028}',
    '\u{2029}',
    '\u{3000}',
    '\u{feff}',
    '\u{fffd}',
    '\u{ffff}',
    '\u{1f600}',
    '\u{10ffff}',
];

/// A character: an odd one, a plain one, or any.
pub fn character(c: &mut Choices) -> char {
    match c.below(8) {
        0..=3 => c.pick(ODD).copied().unwrap_or('a'),
        4..=6 => char::from_u32(c.below(95) + 32).unwrap_or('a'),
        _ => char::from_u32(c.below(0x11_0000)).unwrap_or('\u{fffd}'),
    }
}

/// Any text; now and then a very long one.
pub fn wild(c: &mut Choices) -> String {
    let length = c.upto(12);
    let mut text: String = (0..length).map(|_| character(c)).collect();
    if c.chance(3) {
        let times = *c.pick(&[10, 60, 300, 3_000, 20_000]).unwrap_or(&1);
        text = text.repeat(times);
    }
    text
}

/// One of these words; or one of them spoilt, or any text.
pub fn like(c: &mut Choices, words: &[&str], good_percent: u32) -> String {
    let word = c.word(words);
    if !c.chance(100 - good_percent) {
        return word.to_owned();
    }
    if c.chance(50) { wild(c) } else { spoilt(c, word) }
}

/// A text with a few characters changed.
pub fn spoilt(c: &mut Choices, text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=c.upto(2) {
        let at = c.upto(characters.len());
        match c.below(6) {
            0 => characters.insert(at, character(c)),
            1 if at < characters.len() => {
                characters.remove(at);
            }
            2 => characters.truncate(at),
            3 => characters.extend_from_within(at..),
            4 => characters = characters.iter().flat_map(|c| c.to_uppercase()).collect(),
            _ => {
                let with = character(c);
                characters.iter_mut().skip(at).take(1).for_each(|place| *place = with);
            }
        }
    }
    characters.into_iter().collect()
}
