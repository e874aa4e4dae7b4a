//! The people: deterministic from a seed, consistent across all registers, none of them possible.
//!
//! Every number has century digit 1 or 2 (born in the 1800s), and the registers give the same birth
//! dates; no such person is alive.

use std::collections::{HashMap, HashSet};
use std::fmt;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use kezek_domain::dossier::{ChangedAttribute, Consent, Language};
use kezek_domain::{Iin, IinProfile, Phone, Region};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use crate::names::{MEN, SURNAMES, WOMEN};
use crate::pictures::{Face, Handwriting, Portrait};
use crate::plan::Plan;
use crate::random::{name, stream};

/// One person and the planned end of the application. `Debug` shows the place in the population alone.
#[derive(Clone)]
pub struct Person {
    /// Place in the population, from 0.
    pub index: usize,
    /// How the application is meant to end.
    pub plan: Plan,
    /// The person's number.
    pub iin: Iin,
    /// The telephone number that the person gives.
    pub phone: Phone,
    /// Surname.
    pub surname: String,
    /// Surname in Latin letters.
    pub latin_surname: String,
    /// Given name.
    pub name: String,
    /// Given name in Latin letters.
    pub latin_name: String,
    /// Patronymic, where there is one.
    pub patronymic: Option<String>,
    /// Whether the person is a woman.
    pub female: bool,
    /// Birth date, as in the number.
    pub birth_date: Date,
    /// Region of residence and the region that the person chooses.
    pub region: Region,
    /// The registration point that the person chooses.
    pub registration_point: String,
    /// Number of the present ID card; may start with zero.
    pub card_number: String,
    /// First day of the card.
    pub card_begin: Date,
    /// Last day of the card.
    pub card_end: Date,
    /// The language to write to the person in.
    pub language: Language,
    /// The identification session that the person brings.
    pub session: String,
    /// SIK's codes with first and last days.
    pub statuses: Vec<(&'static str, Date, Option<Date>)>,
    /// What changed according to ZAGS IS.
    pub changed: Vec<ChangedAttribute>,
    seed: u64,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Person({}, {})", self.index, self.plan.label())
    }
}

impl Person {
    fn face(&self) -> Face {
        Face::of(self.seed, self.index as u64, self.female)
    }

    /// The photograph that the person attaches (A3.9): JPEG, the same bytes each time.
    ///
    /// # Errors
    /// Where the encoder fails.
    pub fn photograph(&self) -> anyhow::Result<Vec<u8>> {
        let unfit = [Portrait::DarkBackground, Portrait::TooSmall, Portrait::Blurred];
        match self.plan {
            Plan::CancelledForPhoto | Plan::ExemptCancelled | Plan::PaidAfterCancellation => {
                self.face().photograph(Portrait::DarkGlasses)
            }
            Plan::PhotoUnfit => self.face().photograph(unfit[self.index % unfit.len()]),
            // a face that nobody in the population has
            Plan::PhotoMismatch => {
                Face::of(self.seed, 1_000_000 + self.index as u64, self.female).photograph(Portrait::Good)
            }
            _ => self.face().photograph(Portrait::Good),
        }
    }

    /// The portrait that GBDFL holds: JPEG, the same bytes each time.
    ///
    /// # Errors
    /// Where the encoder fails.
    pub fn register_portrait(&self) -> anyhow::Result<Vec<u8>> {
        self.face().photograph(Portrait::Register)
    }

    /// The signature sample that the person attaches (A3.9): PNG, the same bytes each time.
    ///
    /// # Errors
    /// Where the encoder fails.
    pub fn signature(&self) -> anyhow::Result<Vec<u8>> {
        let hand = if self.plan == Plan::CancelledForSignature { Handwriting::Blotted } else { Handwriting::Good };
        hand.sample(self.seed, self.index as u64)
    }
}

/// Everybody.
#[derive(Debug, Clone)]
pub struct Population {
    seed: u64,
    as_of: Date,
    people: Vec<Person>,
    by_iin: HashMap<Iin, usize>,
}

impl Population {
    /// So many people for a business day: the documents expire relative to it.
    #[must_use]
    pub fn new(seed: u64, count: usize, as_of: Date) -> Self {
        let cycle = Plan::cycle(as_of);
        let mut taken = Taken::default();
        let people: Vec<_> =
            (0..count).map(|index| make(seed, index, cycle[index % cycle.len()], as_of, &mut taken)).collect();
        let by_iin = people.iter().map(|person| (person.iin.clone(), person.index)).collect();
        Self { seed, as_of, people, by_iin }
    }

    /// Everybody, in order.
    #[must_use]
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// The person at a place.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Person> {
        self.people.get(index)
    }

    /// The person with a number.
    #[must_use]
    pub fn find(&self, iin: &Iin) -> Option<&Person> {
        self.by_iin.get(iin).and_then(|index| self.people.get(*index))
    }

    /// The person whose number this is; reads only numbers that cannot belong to anybody.
    #[must_use]
    pub fn find_text(&self, iin: &str) -> Option<&Person> {
        Iin::parse(iin, IinProfile::Demo).ok().and_then(|iin| self.find(&iin))
    }

    /// The seed.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The business day it was made for.
    #[must_use]
    pub const fn as_of(&self) -> Date {
        self.as_of
    }

    /// A consent as KDP grants it, good for an hour from `at` (A3.1).
    #[must_use]
    pub fn consent(&self, iin: &Iin, at: Timestamp) -> Consent {
        let expires_at = at.checked_add(1.hour()).unwrap_or(at);
        Consent { token: self.token(iin, expires_at.as_second()), public_key: self.public_key(iin), expires_at }
    }

    fn token(&self, iin: &Iin, expires: i64) -> String {
        let bound = name(self.seed, "kdp-token", format!("{}/{expires}", iin.expose()).as_bytes());
        format!("demo-token-{expires}-{bound}")
    }

    fn public_key(&self, iin: &Iin) -> String {
        format!("demo-key-{}", name(self.seed, "kdp-key", iin.expose().as_bytes()))
    }

    /// Whether a token is this person's, and if so until when it is good.
    #[must_use]
    pub fn token_expiry(&self, iin: &Iin, token: &str, public_key: &str) -> Option<Timestamp> {
        let expires = token.strip_prefix("demo-token-")?.split('-').next()?.parse().ok()?;
        let good = self.token(iin, expires) == token && self.public_key(iin) == public_key;
        good.then(|| Timestamp::from_second(expires).ok()).flatten()
    }
}

#[derive(Default)]
struct Taken {
    numbers: HashSet<String>,
    phones: HashSet<u32>,
    cards: HashSet<u32>,
}

/// Codes of SIK that exempt (A3.14); a person's age does not matter to them here.
const EXEMPTING: [&str; 12] = [
    "demo-disability-2",
    "demo-mother-of-many",
    "demo-veteran",
    "demo-chernobyl",
    "demo-parent-of-disabled-child",
    "demo-hero",
    "demo-order",
    "demo-home-front",
    "demo-disability-1",
    "demo-disability-3",
    "demo-care-home",
    "demo-orphan",
];

/// Days until expiry that are within the window (A7), both ends among them.
const WITHIN: [i64; 12] = [12, 30, 0, -10, 5, 21, -3, 29, 1, -9, 17, 8];

fn make(seed: u64, index: usize, plan: Plan, as_of: Date, taken: &mut Taken) -> Person {
    let rng = &mut stream(seed, "person", index as u64);
    let female = plan != Plan::Exempt && rng.random_bool(0.5) || plan == Plan::Exempt && index % 2 == 1;
    let (iin, birth_date) = number(rng, female, taken);
    let phone = loop {
        let digits = rng.random_range(0..10_000_000_u32);
        if taken.phones.insert(digits) {
            // 000 after the country code is given to nobody
            if let Ok(phone) = Phone::parse(&format!("+7000{digits:07}")) {
                break phone;
            }
        }
    };
    let card = loop {
        let digits = rng.random_range(0..100_000_000_u32);
        if taken.cards.insert(digits) {
            break digits;
        }
    };
    let (surname, latin_surname) = SURNAMES[rng.random_range(0..SURNAMES.len())];
    let (given, latin_given) =
        if female { WOMEN[rng.random_range(0..WOMEN.len())] } else { MEN[rng.random_range(0..MEN.len())] };
    let father = MEN[rng.random_range(0..MEN.len())].0;
    let feminine = |text: &str, letter: char| if female { format!("{text}{letter}") } else { text.to_owned() };
    let patronymic = (rng.random_range(0..8) != 0).then(|| format!("{father}{}", if female { "қызы" } else { "ұлы" }));
    let regions = Region::all();
    let region = regions[rng.random_range(0..regions.len())];
    let days = match plan {
        Plan::WindowTooEarly => 31,
        Plan::WindowTooLate => -11,
        _ => WITHIN[index % WITHIN.len()],
    };
    let card_end = as_of.saturating_add(days.days());
    let card_begin = card_end.saturating_add(1.day()).saturating_sub(10.years());
    let number_text = |digits: u32| format!("{digits:09}");
    let number_key = iin.expose().as_bytes().to_vec();
    let attributes = ChangedAttribute::ALL;
    Person {
        index,
        plan,
        phone,
        surname: feminine(surname, 'а'),
        latin_surname: feminine(latin_surname, 'a'),
        name: given.to_owned(),
        latin_name: latin_given.to_owned(),
        patronymic,
        female,
        birth_date,
        region,
        registration_point: format!("{}-{:02}", region.as_str(), rng.random_range(1..4)),
        card_number: number_text(card),
        card_begin,
        card_end,
        language: if rng.random_range(0..3) == 0 { Language::Ru } else { Language::Kk },
        session: format!("demo-session-{}", name(seed, "session", &number_key)),
        statuses: statuses(plan, index, as_of, rng),
        changed: if plan == Plan::DataChanged { vec![attributes[index % attributes.len()]] } else { Vec::new() },
        seed,
        iin,
    }
}

fn statuses(plan: Plan, index: usize, as_of: Date, rng: &mut ChaCha8Rng) -> Vec<(&'static str, Date, Option<Date>)> {
    let since = as_of.saturating_sub(4.years());
    let code = EXEMPTING[index % EXEMPTING.len()];
    if plan.is_exempt() {
        let until = index.is_multiple_of(2).then(|| as_of.saturating_add(2.years()));
        return vec![("demo-pensioner", since, None), (code, since, until)];
    }
    if plan == Plan::StatusUnmapped {
        return vec![("demo-unheard-of", since, None)];
    }
    match rng.random_range(0..6) {
        0 => vec![("demo-student", since, None)],
        // it exempted until last month
        1 => vec![(code, since, Some(as_of.saturating_sub(35.days())))],
        _ => Vec::new(),
    }
}

fn number(rng: &mut ChaCha8Rng, female: bool, taken: &mut Taken) -> (Iin, Date) {
    loop {
        let year = rng.random_range(1840..1900_i16);
        let Ok(birth) = Date::new(year, rng.random_range(1..=12), rng.random_range(1..=28)) else { continue };
        let first = format!(
            "{:02}{:02}{:02}{}{:04}",
            birth.year() % 100,
            birth.month(),
            birth.day(),
            if female { 2 } else { 1 },
            rng.random_range(0..10_000_u32)
        );
        let Some(check) = Iin::check_digit(&first) else { continue };
        let text = format!("{first}{check}");
        if let Ok(iin) = Iin::parse(&text, IinProfile::Demo)
            && taken.numbers.insert(text)
        {
            return (iin, birth);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const DAY: Date = date(2025, 9, 2);

    #[test]
    fn c2_every_number_is_valid_unique_and_nobodys() {
        let all = Population::new(11, 600, DAY);
        let distinct: HashSet<_> = all.people().iter().map(|person| person.iin.clone()).collect();
        assert_eq!(distinct.len(), 600);
        for person in all.people() {
            assert!(person.iin.is_demo());
            assert_eq!(person.iin.birth_date(), person.birth_date);
            assert!(Iin::parse(person.iin.expose(), IinProfile::Citizen).is_err());
            assert_eq!(person.card_number.len(), 9);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_people_and_another_gives_others() {
        let numbers = |seed, count| -> Vec<_> {
            Population::new(seed, count, DAY).people().iter().map(|person| person.iin.clone()).collect()
        };
        assert_eq!(numbers(3, 50), numbers(3, 50));
        assert_eq!(numbers(3, 80)[..50], numbers(3, 50));
        assert_ne!(numbers(3, 50), numbers(4, 50));
    }

    #[test]
    fn a7_cards_expire_as_planned() {
        let all = Population::new(5, 300, DAY);
        let days = |person: &Person| DAY.until(person.card_end).unwrap().get_days();
        for person in all.people() {
            let planned = match days(person) {
                31 => person.plan == Plan::WindowTooEarly,
                -11 => person.plan == Plan::WindowTooLate,
                days => {
                    (-10..=30).contains(&days) && !matches!(person.plan, Plan::WindowTooEarly | Plan::WindowTooLate)
                }
            };
            assert!(planned, "{person:?}");
        }
        let within: HashSet<_> = all.people().iter().map(days).collect();
        for edge in [-11, -10, 0, 30, 31] {
            assert!(within.contains(&edge), "{edge}");
        }
    }

    #[test]
    fn a_token_is_one_persons_and_has_an_end() {
        let all = Population::new(5, 2, DAY);
        let at: Timestamp = "2025-09-02T05:00:00Z".parse().unwrap();
        let (anna, boris) = (&all.people()[0].iin, &all.people()[1].iin);
        let consent = all.consent(anna, at);
        assert_eq!(all.token_expiry(anna, &consent.token, &consent.public_key), Some(consent.expires_at));
        assert_eq!(all.token_expiry(boris, &consent.token, &consent.public_key), None);
        let longer = consent.token.replace(&consent.expires_at.as_second().to_string(), "9999999999");
        assert_eq!(all.token_expiry(anna, &longer, &consent.public_key), None);
    }
}
