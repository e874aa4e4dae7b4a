//! Which part of which payment is to be given back: pure arithmetic over the case's ledger.
//!
//! Promise: the refundable part of a payment depends on that payment, on older ones and on what was earned, never
//! on newer money. So a confirmation, once made, says the same whenever it is repeated.

use crate::Refund;
use jiff::Timestamp;
use kezek_domain::ledger::PostingKind;
use kezek_domain::{CaseId, Fault, Tiyn};
use kezek_stage::{File, LedgerLine};

/// The part of one payment that is to be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The provider's number of the payment.
    pub number: String,
    /// How much of it, in tiyn, above zero.
    pub amount: Tiyn,
    /// When the payment was posted.
    pub at: Timestamp,
}

/// The refundable parts of a case, oldest payment first.
#[derive(Debug)]
pub struct Coverage {
    parts: Vec<Part>,
    returned: i64,
    held: i64,
}

impl Coverage {
    /// The coverage of a case's file.
    ///
    /// # Errors
    /// Permanent, where ledger and purse contradict each other.
    pub fn of(file: &File<Refund>) -> Result<Self, Fault> {
        Self::from_ledger(file.case.id, &file.ledger, file.case.purse.held())
    }

    fn from_ledger(case: CaseId, ledger: &[LedgerLine], held: Tiyn) -> Result<Self, Fault> {
        let forfeits = forfeit_reference(case, "");
        let mut payments: Vec<&LedgerLine> = Vec::new();
        let (mut earned, mut returned) = (0_i64, 0_i64);
        for line in ledger {
            match line.kind {
                PostingKind::Received | PostingKind::Claimed => payments.push(line),
                // attributed to its own payment below
                PostingKind::Earned if line.reference.starts_with(&forfeits) => {}
                PostingKind::Earned => earned = earned.saturating_add(line.amount.0),
                PostingKind::Returned => returned = returned.saturating_add(line.amount.0),
                PostingKind::ReceivedSuspense => {}
            }
        }
        payments.sort_by(|a, b| (a.at, &a.reference).cmp(&(b.at, &b.reference)));
        let mut parts = Vec::with_capacity(payments.len());
        for payment in payments {
            let reference = forfeit_reference(case, &payment.reference);
            let forfeited = ledger.iter().filter(|l| l.kind == PostingKind::Earned && l.reference == reference);
            let left = forfeited.fold(payment.amount.0, |left, line| left.saturating_sub(line.amount.0)).max(0);
            let used = earned.min(left);
            earned -= used;
            if left > used {
                parts.push(Part { number: payment.reference.clone(), amount: Tiyn(left - used), at: payment.at });
            }
        }
        let coverage = Self { parts, returned, held: held.0 };
        if coverage.sum().saturating_sub(returned) == held.0 {
            Ok(coverage)
        } else {
            let text = format!("refundable {}, returned {returned}, held {} tiyn", coverage.sum(), held.0);
            Err(Fault::permanent("ledger-contradicts", text))
        }
    }

    fn sum(&self) -> i64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.amount.0))
    }

    /// The newest parts that together cover what is held, newest first. Older ones have gone back already:
    /// every money that came was confirmed before any newer.
    pub fn to_confirm(&self) -> Vec<Part> {
        let mut open = self.held;
        self.parts
            .iter()
            .rev()
            .take_while(|part| {
                let wanted = open > 0;
                open -= part.amount.0;
                wanted
            })
            .cloned()
            .collect()
    }

    /// What is left of each part after all that went back, oldest first; together exactly what is held.
    ///
    /// # Errors
    /// Permanent, where that is not so.
    pub fn left(&self) -> Result<Vec<Part>, Fault> {
        let mut returned = self.returned;
        let mut left = Vec::new();
        for part in &self.parts {
            let gone = returned.min(part.amount.0);
            returned -= gone;
            if part.amount.0 > gone {
                left.push(Part { amount: Tiyn(part.amount.0 - gone), ..part.clone() });
            }
        }
        if left.iter().fold(0_i64, |sum, part| sum.saturating_add(part.amount.0)) == self.held {
            Ok(left)
        } else {
            Err(Fault::permanent("ledger-contradicts", "what is left is not what is held"))
        }
    }
}

/// Under what forfeited money of a payment is booked.
pub fn forfeit_reference(case: CaseId, number: &str) -> String {
    format!("forfeited/{case}/{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn case() -> CaseId {
        CaseId(Default::default())
    }

    fn line(kind: PostingKind, reference: &str, amount: i64, second: i64) -> LedgerLine {
        let at = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(second);
        LedgerLine { kind, source: "test".to_owned(), reference: reference.to_owned(), amount: Tiyn(amount), at }
    }

    fn held(ledger: &[LedgerLine]) -> Tiyn {
        Tiyn(
            ledger
                .iter()
                .map(|l| match l.kind {
                    PostingKind::Received | PostingKind::Claimed => l.amount.0,
                    PostingKind::Earned | PostingKind::Returned => -l.amount.0,
                    PostingKind::ReceivedSuspense => 0,
                })
                .sum(),
        )
    }

    fn confirmed(ledger: &[LedgerLine]) -> Result<Vec<(String, i64)>, Fault> {
        let coverage = Coverage::from_ledger(case(), ledger, held(ledger))?;
        Ok(coverage.to_confirm().into_iter().map(|p| (p.number, p.amount.0)).collect())
    }

    #[test]
    fn a11c_each_part_payment_is_confirmed_by_its_own_number() -> Result<(), Fault> {
        let ledger = [line(PostingKind::Received, "a", 400, 1), line(PostingKind::Received, "b", 300, 2)];
        assert_eq!(confirmed(&ledger)?, [("b".to_owned(), 300), ("a".to_owned(), 400)]);
        Ok(())
    }

    #[test]
    fn a11c_the_second_payment_of_an_issued_card_goes_back_and_the_first_stays_earned() -> Result<(), Fault> {
        let ledger = [
            line(PostingKind::Received, "a", 786, 1),
            line(PostingKind::Earned, "duty", 786, 2),
            line(PostingKind::Received, "b", 786, 3),
        ];
        assert_eq!(confirmed(&ledger)?, [("b".to_owned(), 786)]);
        Ok(())
    }

    #[test]
    fn a11c_forfeited_money_is_not_confirmed_again_when_more_comes() -> Result<(), Fault> {
        let ledger = [
            line(PostingKind::Received, "a", 786, 1),
            line(PostingKind::Returned, "r1", 786, 2),
            line(PostingKind::Received, "b", 500, 3),
            line(PostingKind::Earned, &forfeit_reference(case(), "b"), 500, 4),
            line(PostingKind::Received, "c", 900, 5),
        ];
        assert_eq!(confirmed(&ledger)?, [("c".to_owned(), 900)]);
        Ok(())
    }

    #[test]
    fn a_purse_that_the_ledger_does_not_bear_out_is_a_fault() {
        let ledger = [line(PostingKind::Received, "a", 786, 1)];
        let fault = Coverage::from_ledger(case(), &ledger, Tiyn(787)).err();
        assert!(fault.is_some_and(|f| f.cause() == "ledger-contradicts"));
    }

    proptest! {
        /// Money comes and goes back in any order; whatever is confirmed under a payment's number never changes its
        /// amount, every unreturned payment is confirmed, and forfeiting empties the purse exactly.
        #[test]
        fn a11c_no_payment_is_confirmed_with_two_amounts(
            earned in 0_i64..2000,
            steps in proptest::collection::vec((1_i64..1000, any::<bool>(), any::<prop::sample::Index>()), 1..12),
        ) {
            let mut ledger = vec![line(PostingKind::Received, "first", 2000, 0)];
            if earned > 0 {
                ledger.push(line(PostingKind::Earned, "duty", earned, 0));
            }
            let mut claims: Vec<(String, i64)> = Vec::new();
            let mut unpaid: Vec<(String, i64)> = Vec::new();
            for (second, (amount, comes, which)) in (1_i64..).zip(steps) {
                if comes {
                    ledger.push(line(PostingKind::Received, &format!("p{second:03}"), amount, second));
                } else if !unpaid.is_empty() {
                    let (number, amount) = unpaid.remove(which.index(unpaid.len()));
                    ledger.push(line(PostingKind::Returned, &format!("r{number}"), amount, second));
                }
                for (number, amount) in confirmed(&ledger)? {
                    match claims.iter().find(|(known, _)| *known == number) {
                        Some((_, before)) => prop_assert_eq!(*before, amount),
                        None => {
                            claims.push((number.clone(), amount));
                            unpaid.push((number, amount));
                        }
                    }
                }
                let open: i64 = unpaid.iter().map(|(_, amount)| amount).sum();
                prop_assert_eq!(open, held(&ledger).0);
                let coverage = Coverage::from_ledger(case(), &ledger, held(&ledger))?;
                let left: i64 = coverage.left()?.iter().map(|part| part.amount.0).sum();
                prop_assert_eq!(left, held(&ledger).0);
            }
        }
    }
}
