//! Properties of the rules over dates, money and statuses: what must hold for every day, not only for the ones that
//! somebody thought of.

use super::{Mapping, Mark, Rules, Standing, Window, almaty_date, almaty_day_end, almaty_day_start};
use crate::dossier::Reason;
use crate::money::Tiyn;
use crate::name::Service;
use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use proptest::prelude::*;

const RENEWAL: Service = Service::ID_CARD_RENEWAL;

fn day() -> impl Strategy<Value = Date> {
    // from before the calendar to beyond it
    (0_i32..2200).prop_map(|days| date(2023, 1, 1).saturating_add(days.days()))
}

fn instant() -> impl Strategy<Value = Timestamp> {
    (1_709_229_600_i64..1_900_000_000).prop_filter_map("in range", |s| Timestamp::from_second(s).ok())
}

/// Days between two dates, counted one by one.
fn counted(from: Date, to: Date) -> i32 {
    let (mut day, mut days) = (from.min(to), 0);
    while day < from.max(to) {
        day = day.tomorrow().unwrap_or(Date::MAX);
        days += 1;
    }
    if to < from { -days } else { days }
}

fn known_status(code: &str, on: Date) -> bool {
    !matches!(Rules::built_in().exemption(code, on), Mapping::Unmapped)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a7_the_window_is_thirty_days_before_to_ten_after_for_every_pair_of_days(expires in day(), shift in -60_i32..60) {
        let filed = expires.saturating_add(shift.days());
        let left = counted(filed, expires);
        let expected = if left > 30 { Window::TooEarly } else if left < -10 { Window::TooLate } else { Window::Open };
        prop_assert_eq!(Rules::built_in().a7_window(expires, filed), expected);
    }

    #[test]
    fn every_instant_lies_in_its_own_almaty_day(at in instant()) {
        let day = almaty_date(at);
        prop_assert!(almaty_day_start(day) <= at && at < almaty_day_end(day));
        prop_assert_eq!(almaty_day_end(day), almaty_day_start(day.tomorrow().unwrap_or(day)));
    }

    #[test]
    fn a_term_has_as_many_working_days_as_it_says_and_ends_on_one(from in day(), n in 1_u32..40, m in 1_u32..40) {
        let calendar = Rules::built_in().calendar();
        let due = calendar.due(from, n);
        prop_assert!(due.date > from && calendar.is_working(due.date));
        prop_assert_eq!(calendar.working_days_between(from, due.date), n);
        // a term in two parts ends where the whole one does
        let rest = calendar.due(due.date, m);
        let whole = calendar.due(from, n + m);
        prop_assert_eq!(rest.date, whole.date);
        prop_assert_eq!(due.provisional || rest.provisional, whole.provisional);
        prop_assert_eq!(whole.provisional, calendar.is_provisional(from) || calendar.is_provisional(whole.date));
    }

    #[test]
    fn a3_15_the_duty_is_known_or_refused_and_never_negative(on in day(), later in 0_i32..400) {
        let rules = Rules::built_in();
        let now = on.saturating_add(later.days());
        for reason in Reason::ALL {
            let duty = rules.duty(&RENEWAL, *reason, on);
            if let Ok(duty) = &duty {
                prop_assert!(duty.amount() >= Tiyn::ZERO);
                prop_assert_eq!(duty.amount().is_positive(), duty.outcome.label() == "payable");
            }
            let between = rules.duty_between(&RENEWAL, *reason, on, now);
            match (duty, rules.duty(&RENEWAL, *reason, now)) {
                (Ok(then), Ok(now)) if then.outcome == now.outcome => prop_assert_eq!(between, Ok(then)),
                (Ok(_), Ok(_)) => prop_assert_eq!(between.map_err(|q| q.label()), Err("duty-differs")),
                _ => prop_assert_eq!(between.map_err(|q| q.label()), Err("duty-unknown")),
            }
        }
    }

    #[test]
    fn a0_3_a_day_rests_on_one_act_at_most(on in day()) {
        let rules = Rules::built_in();
        let covering = rules.legal.periods(&RENEWAL).into_iter().filter(|b| super::period::covers(b.from, b.to, on));
        let open = (date(2025, 5, 28)..=date(2026, 3, 31)).contains(&on);
        prop_assert_eq!(covering.count(), usize::from(open));
        prop_assert_eq!(rules.in_force(&RENEWAL, on).open, open);
    }

    #[test]
    fn a3_14_a_status_that_nobody_listed_is_never_a_privilege_nor_its_absence(code in "[a-z]{1,12}(-[a-z0-9]{1,8})?", on in day()) {
        let listed = Rules::built_in().exemptions().mapped(on).iter().any(|(status, _)| *status == code);
        prop_assert_eq!(known_status(&code, on), listed);
    }

    #[test]
    fn money_is_added_and_taken_away_without_loss(a in -1_000_000_000_i64..1_000_000_000, b in -1_000_000_000_i64..1_000_000_000) {
        let (a, b) = (Tiyn(a), Tiyn(b));
        prop_assert_eq!(a.checked_add(b).and_then(|sum| sum.checked_sub(b)), Some(a));
        // what is shown is what is meant
        let shown = a.to_string().replace([' ', '₸', '.'], "");
        prop_assert_eq!(shown.parse::<i64>().ok(), Some(a.0));
        prop_assert_eq!(Tiyn(i64::MAX).checked_add(Tiyn(a.0.saturating_abs().max(1))), None);
    }

    #[test]
    fn a4_2_every_working_day_of_a_case_is_somebodys_and_its_standing_never_improves(
        filed in instant(), hours in proptest::collection::vec(1_i64..200, 0..6), more in 1_i64..2000,
    ) {
        let rules = Rules::built_in();
        let after = |at: Timestamp, hours: i64| at + SignedDuration::from_hours(hours);
        let mut at = filed;
        let mut journal = vec![Mark { at, stage: "intake".to_owned(), move_label: "open".to_owned() }];
        for (step, wait) in hours.iter().enumerate() {
            at = after(at, *wait);
            let (stage, label) = [("exemption", "enter"), ("payment", "hold"), ("payment", "money"), ("review", "enter"), ("review", "hold"), ("production", "hold")][step];
            journal.push(Mark { at, stage: stage.to_owned(), move_label: label.to_owned() });
        }
        let now = after(at, more);
        let reckon = |now| rules.clock().reckon((rules.calendar(), rules.terms()), filed, &journal, Some("production"), now);
        let told = reckon(now);
        let passed = rules.calendar().working_days_between(almaty_date(filed), almaty_date(now));
        prop_assert_eq!(told.used + told.paused, passed);
        prop_assert_eq!(told.days.len() as u32, passed);
        prop_assert_eq!(told.whose.values().sum::<u32>(), told.used);
        prop_assert_eq!(told.parts.values().map(|part| part.used).sum::<u32>(), told.used);
        prop_assert_eq!(told.standing == Standing::Overdue, told.used > rules.terms().total_working_days);
        let order = |standing| Standing::ALL.iter().position(|s| *s == standing);
        prop_assert!(order(reckon(after(now, 24)).standing) >= order(told.standing));
    }
}
