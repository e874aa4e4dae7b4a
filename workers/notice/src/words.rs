//! The words of a notice: the rules' text with coupon, amount and reason filled in.

use crate::Notice;
use kezek_domain::Tiyn;
use kezek_domain::dossier::{
    CheckOutcome, Decision, DutyAssessment, Findings, Language, Payment, PaymentOrder, Refund, Registration,
};
use kezek_domain::rules::{NoticeKind, Refusal, Rules, Text, Texts};
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
    let filled = text.fill(language, &coupon, &amount, reason);
    // where no reason is known (an operator's act), the sentence closes without one
    let filled = if reason.is_empty() { filled.replace(": .", ".") } else { filled };
    Ok(filled.trim().to_owned())
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
        NoticeKind::PartlyPaid => due()?.and_then(|d| d.checked_sub(file.case.purse.received)),
        NoticeKind::Paid => match file.find::<Payment>()? {
            Some(payment) => Some(payment.amount),
            None => Some(file.case.purse.received),
        },
        NoticeKind::RefundConfirmed | NoticeKind::RefundPaid => file.find::<Refund>()?.map(|r| r.amount),
        NoticeKind::Received
        | NoticeKind::Registered
        | NoticeKind::Refused
        | NoticeKind::Exempt
        | NoticeKind::InReview
        | NoticeKind::Approved
        | NoticeKind::Cancelled
        | NoticeKind::InProduction
        | NoticeKind::Ready
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
            failed.and_then(|c| refusal(&c.check, &c.detail_code)).map(|refusal| texts.refusal(refusal))
        }),
        NoticeKind::Received
        | NoticeKind::Registered
        | NoticeKind::PaymentDue
        | NoticeKind::PartlyPaid
        | NoticeKind::Paid
        | NoticeKind::Exempt
        | NoticeKind::InReview
        | NoticeKind::Approved
        | NoticeKind::InProduction
        | NoticeKind::Ready
        | NoticeKind::Issued
        | NoticeKind::Unpaid
        | NoticeKind::RefundConfirmed
        | NoticeKind::RefundPaid
        | NoticeKind::QuestionAsked => None,
    })
}

/// The refusal that a failed check stands for: its line of law says which, and where one line has several refusals,
/// its detail does.
fn refusal(law: &str, detail: &str) -> Option<Refusal> {
    match (law, detail) {
        ("A3.2", "not-found") => Some(Refusal::PersonNotFound),
        ("A3.2", "dead" | "removed") => Some(Refusal::DeadOrRemoved),
        ("A3.2", "somebody-elses" | "not-in-base") => Some(Refusal::PhoneNotBound),
        (_, "token-refused") => Some(Refusal::NoConsent),
        ("A3.2", _) => None,
        // A7's two refusals share the order's one text
        _ => Refusal::ALL.iter().copied().find(|r| r.law() == law),
    }
}
