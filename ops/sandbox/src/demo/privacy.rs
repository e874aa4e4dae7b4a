//! The search for personal data where none may be: IINs, names and telephone numbers of the whole population, in
//! logs, metrics, messages and what the database keeps unsealed.
//!
//! A text is cut into runs of letters and runs of digits; a run that is somebody's is a find. Finds name the place
//! and the kind, never the value.

use std::collections::HashMap;

use crate::population::Population;

/// What to look for.
pub struct Search {
    wanted: HashMap<String, &'static str>,
    /// How many texts were searched, by where they came from.
    pub searched: std::collections::BTreeMap<String, u64>,
    found: Vec<String>,
}

impl Search {
    /// Everybody's numbers and names.
    #[must_use]
    pub fn of(people: &Population) -> Self {
        let mut wanted = HashMap::new();
        for person in people.people() {
            wanted.insert(person.iin.expose().to_owned(), "iin");
            let digits: String = person.phone.expose().chars().filter(char::is_ascii_digit).collect();
            // with the country's code and without it
            wanted.extend(digits.strip_prefix('7').map(|short| (short.to_owned(), "phone")));
            wanted.insert(digits, "phone");
            let names = [&person.surname, &person.latin_surname, &person.name, &person.latin_name];
            for name in names.into_iter().chain(person.patronymic.as_ref()) {
                wanted.insert(name.to_lowercase(), "name");
            }
        }
        Self { wanted, searched: std::collections::BTreeMap::new(), found: Vec::new() }
    }

    /// Names a place even if no text comes from it.
    pub fn expect(&mut self, place: &str) {
        self.searched.entry(place.to_owned()).or_default();
    }

    /// Looks through a text that came from `place`.
    pub fn look(&mut self, place: &str, text: &str) {
        *self.searched.entry(place.to_owned()).or_default() += 1;
        for run in runs(text) {
            // shorter runs are nobody's
            if run.len() < 4 {
                continue;
            }
            if let Some(kind) = self.wanted.get(run).or_else(|| self.wanted.get(&run.to_lowercase())) {
                self.found.push(format!("{place}: {kind}"));
            }
        }
    }

    /// What was found: place and kind.
    #[must_use]
    pub fn found(self) -> Vec<String> {
        self.found
    }
}

/// Runs of letters and runs of digits.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let kind = |c: char| match c {
        c if c.is_ascii_digit() => 1,
        c if c.is_alphabetic() => 2,
        _ => 0,
    };
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| kind(c) == 0);
        let first = rest.chars().next()?;
        let end = rest.find(|c| kind(c) != kind(first)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn found(text: &str) -> Vec<String> {
        let mut search = Search::of(&people());
        search.look("a log", text);
        search.found()
    }

    fn people() -> Population {
        Population::new(3, 40, date(2025, 9, 2))
    }

    #[test]
    fn numbers_and_names_are_found_however_they_stand() {
        let people = people();
        let person = &people.people()[4];
        for text in
            [format!("{{\"iin\":\"{}\"}}", person.iin.expose()), format!("serialNumber=IIN{}", person.iin.expose())]
        {
            assert_eq!(found(&text), ["a log: iin"]);
        }
        let phone = person.phone.expose();
        assert_eq!(found(&format!("tel {phone}")), ["a log: phone"]);
        assert_eq!(found(&format!("tel 8{}", &phone[2..])), Vec::<String>::new());
        assert_eq!(found(&format!("tel ({})", &phone[2..])), ["a log: phone"]);
        let name = format!("{} {}", person.latin_surname.to_uppercase(), person.name);
        assert_eq!(found(&name), ["a log: name", "a log: name"]);
    }

    #[test]
    fn ordinary_lines_hold_nothing() {
        let line = r#"{"timestamp":"2025-09-02T05:00:00.123456Z","level":"INFO","stage":"intake","case.id":
            "01990000-0000-7000-8000-000000000001","digest":"5f9c7c1f0d","place":"Asia/Almaty","tiyn":78640}"#;
        assert_eq!(found(line), Vec::<String>::new());
        let runs: Vec<_> = runs("aZ12—әб 9").collect();
        assert_eq!(runs, ["aZ", "12", "әб", "9"]);
    }
}
