//! The words of a notice: the rules' text with coupon, amount and reason filled in.

use crate::Notice;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use kezek_domain::Tiyn;
use kezek_domain::dossier::{
    CheckOutcome, Decision, DutyAssessment, Findings, Language, Payment, PaymentOrder, Refund, Registration,
};
use kezek_domain::rules::{Filling, NoticeKind, Refusal, Rules, Text, Texts, almaty_date};
use kezek_stage::{Fault, File};

/// The notice in one language.
///
/// # Errors
/// Permanent, where the text wants an amount or a coupon and the dossier has none.
pub(crate) fn words(
    rules: &Rules,
    notice: NoticeKind,
    language: Language,
    file: &File<Notice>,
) -> Result<String, Fault> {
    let texts = rules.texts();
    let text = texts.notice(notice);
    let coupon = match (wants(text, "{coupon}"), &file.case.coupon, file.find::<Registration>()?) {
        (false, ..) => String::new(),
        (true, Some(coupon), _) => coupon.to_string(),
        (true, None, Some(registration)) => registration.coupon.to_string(),
        // a case that was closed before it had a coupon is known to the applicant by our receipt
        (true, None, None) => file.case.receipt.to_string(),
    };
    let amount = match (wants(text, "{amount}"), amount(notice, file)?) {
        (false, _) => String::new(),
        (true, Some(amount)) => amount.to_string(),
        (true, None) => {
            return Err(Fault::permanent("notice-incomplete", format!("{notice}: the dossier names no amount")));
        }
    };
    let reason = reason(texts, notice, file)?.map_or("", |r| r.in_language(language));
    let expected = if wants(text, "{expected}") { expected(rules, language, file)? } else { String::new() };
    let until = match (wants(text, "{until}"), file.find::<PaymentOrder>()?) {
        (false, _) => String::new(),
        (true, Some(order)) => shown(last_day(order.until)),
        (true, None) => {
            return Err(Fault::permanent("notice-incomplete", format!("{notice}: the dossier names no order")));
        }
    };
    let filling = Filling { coupon: &coupon, amount: &amount, reason, expected: &expected, until: &until };
    let filled = text.fill(language, &filling);
    // where no reason is known (an operator's act), the sentence closes without one
    let filled = if reason.is_empty() { filled.replace(": .", ".") } else { filled };
    Ok(filled.trim().to_owned())
}

/// The last day of the term, as far as is known (A4.2): working days from filing, and those that paying took. Beyond
/// the calendar the day is told to be a preliminary one.
fn expected(rules: &Rules, language: Language, file: &File<Notice>) -> Result<String, Fault> {
    let (calendar, terms) = (rules.calendar(), rules.terms());
    let paying = match (file.find::<PaymentOrder>()?, file.find::<Payment>()?) {
        (Some(order), Some(payment)) => {
            let ordered = last_day(order.until).saturating_sub(i64::from(terms.payment_days).days());
            calendar.working_days_between(ordered, almaty_date(payment.confirmed_at))
        }
        _ => 0,
    };
    let due = calendar.due(almaty_date(file.case.filed_at), terms.total_working_days + paying);
    let preliminary = match (due.provisional, language) {
        (false, _) => "",
        (true, Language::Kk) => " (алдын ала)",
        (true, Language::Ru) => " (предварительно)",
    };
    Ok(format!("{}{preliminary}", shown(due.date)))
}

/// The day whose end an instant is.
fn last_day(until: Timestamp) -> Date {
    almaty_date(until.checked_sub(SignedDuration::from_secs(1)).unwrap_or(until))
}

/// As people here write a date.
fn shown(day: Date) -> String {
    format!("{:02}.{:02}.{}", day.day(), day.month(), day.year())
}

fn wants(text: &Text, placeholder: &str) -> bool {
    text.kk.contains(placeholder) || text.ru.contains(placeholder)
}

/// The amount that a notice speaks of.
fn amount(notice: NoticeKind, file: &File<Notice>) -> Result<Option<Tiyn>, Fault> {
    let due = || -> Result<Option<Tiyn>, Fault> {
        match file.find::<PaymentOrder>()? {
            Some(order) => Ok(Some(order.amount)),
            None => Ok(file.find::<DutyAssessment>()?.map(|d| d.amount)),
        }
    };
    Ok(match notice {
        NoticeKind::PaymentDue => due()?,
        NoticeKind::PartlyPaid | NoticeKind::PaymentReminder => {
            due()?.and_then(|d| d.checked_sub(file.case.purse.received))
        }
        NoticeKind::Paid => match file.find::<Payment>()? {
            Some(payment) => Some(payment.amount),
            None => Some(file.case.purse.received),
        },
        NoticeKind::RefundConfirmed
        | NoticeKind::RefundReminder
        | NoticeKind::RefundLastCall
        | NoticeKind::RefundPaid => file.find::<Refund>()?.map(|r| r.amount),
        NoticeKind::Received
        | NoticeKind::Registered
        | NoticeKind::Refused
        | NoticeKind::Exempt
        | NoticeKind::InReview
        | NoticeKind::Approved
        | NoticeKind::Cancelled
        | NoticeKind::InProduction
        | NoticeKind::Ready
        | NoticeKind::ReadyReminder
        | NoticeKind::ReadyLastCall
        | NoticeKind::Issued
        | NoticeKind::Unpaid
        | NoticeKind::QuestionAsked => None,
    })
}

/// Why, in words: of the reviewer's cancellation (A11b), or of the check that failed (A3, A7).
fn reason<'r>(texts: &'r Texts, notice: NoticeKind, file: &File<Notice>) -> Result<Option<&'r Text>, Fault> {
    Ok(match notice {
        NoticeKind::Cancelled => file.find::<Decision>()?.and_then(|d| d.reason).map(|reason| texts.cancel(reason)),
        // the first check that failed is the one that decided
        NoticeKind::Refused => file.find::<Findings>()?.and_then(|findings| {
            let failed = findings.checks.iter().find(|c| c.outcome == CheckOutcome::Failed);
            failed.and_then(|c| Refusal::of_check(&c.check, &c.detail_code)).map(|refusal| texts.refusal(refusal))
        }),
        NoticeKind::Received
        | NoticeKind::Registered
        | NoticeKind::PaymentDue
        | NoticeKind::PaymentReminder
        | NoticeKind::PartlyPaid
        | NoticeKind::Paid
        | NoticeKind::Exempt
        | NoticeKind::InReview
        | NoticeKind::Approved
        | NoticeKind::InProduction
        | NoticeKind::Ready
        | NoticeKind::ReadyReminder
        | NoticeKind::ReadyLastCall
        | NoticeKind::Issued
        | NoticeKind::Unpaid
        | NoticeKind::RefundConfirmed
        | NoticeKind::RefundReminder
        | NoticeKind::RefundLastCall
        | NoticeKind::RefundPaid
        | NoticeKind::QuestionAsked => None,
    })
}
