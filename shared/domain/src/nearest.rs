//! The word that was meant, where one was mistyped.

/// More letters than these apart it is another word.
const APART: usize = 2;

/// What to add to a sentence about a word that is not known: the known one that it is nearly, as ` (did you mean port?)`.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = known.into_iter().filter_map(|known| {
        let apart = apart(word, known)?;
        // Of a short word hardly anything would be left.
        (apart * 2 <= known.chars().count()).then_some((apart, known))
    });
    near.min().map(|(_, known)| format!(" (did you mean {known}?)")).unwrap_or_default()
}

/// How many letters have to be put in, taken out or changed to make one word of another; `None` if too many.
fn apart(one: &str, other: &str) -> Option<usize> {
    // Whatever somebody sends: only what is about as long is compared.
    if one.len().abs_diff(other.len()) > APART * 4 {
        return None;
    }
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, letter) in one.chars().enumerate() {
        let mut next = vec![place + 1];
        for ((index, theirs), steps) in other.iter().enumerate().zip(row.windows(2)) {
            let (&[diagonal, above], Some(left)) = (steps, next.get(index)) else { return None };
            next.push((diagonal + usize::from(*theirs != letter)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().filter(|apart| *apart <= APART)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_leads_to_the_one_that_was_meant() {
        let keys = ["service", "port", "subnets", "ami"];
        for (word, want) in [
            ("servce", " (did you mean service?)"),
            ("subnet", " (did you mean subnets?)"),
            ("prot", " (did you mean port?)"),
            ("amis", " (did you mean ami?)"),
            ("weight", ""),
            ("xyz", ""),
            ("", ""),
            ("élan", ""),
        ] {
            assert_eq!(did_you_mean(word, keys), want, "{word}");
        }
        assert_eq!(did_you_mean(&"service".repeat(1000), keys), "");
    }
}
