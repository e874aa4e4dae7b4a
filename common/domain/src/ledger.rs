//! The ledger: double entry, so that the sum of all accounts is zero by construction.
//!
//! Money that arrived is posted once per the provider's payment number, whatever the case's status, to
//! the suspense account where no case is found. Nothing is ever changed or taken back: what follows is
//! another posting.

use crate::label::labelled;
use crate::lifecycle::Purse;
use crate::money::Tiyn;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

labelled! {
    /// Where money can be.
    pub enum Account {
        /// Outside: the provider's side, from which all money comes.
        Provider = "provider",
        /// Held for a case.
        Case = "case",
        /// Arrived, and no case was found for it.
        Suspense = "suspense",
        /// Earned by performing.
        Revenue = "revenue",
        /// Outside: given back by the tax authority (A11c).
        RefundConfirmed = "refund-confirmed",
    }
}

labelled! {
    /// What a posting means; it decides both accounts.
    pub enum PostingKind {
        /// Provider to case.
        Received = "received",
        /// Provider to suspense.
        ReceivedSuspense = "received-suspense",
        /// Suspense to case.
        Claimed = "claimed",
        /// Case to revenue: the card was handed over.
        Earned = "earned",
        /// Case to refund: the tax authority reports that it has paid; our own confirmation is no proof of it (A11c).
        Returned = "returned",
    }
}

impl PostingKind {
    /// The account that gains.
    #[must_use]
    pub const fn debit(self) -> Account {
        match self {
            Self::Received | Self::Claimed => Account::Case,
            Self::ReceivedSuspense => Account::Suspense,
            Self::Earned => Account::Revenue,
            Self::Returned => Account::RefundConfirmed,
        }
    }

    /// The account that gives.
    #[must_use]
    pub const fn credit(self) -> Account {
        match self {
            Self::Received | Self::ReceivedSuspense => Account::Provider,
            Self::Claimed => Account::Suspense,
            Self::Earned | Self::Returned => Account::Case,
        }
    }
}

/// One movement of money between two accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Posting {
    /// The account that gains.
    pub debit: Account,
    /// The account that gives.
    pub credit: Account,
    /// How much; always more than nothing.
    pub amount: Tiyn,
    /// The provider's payment number, or our own key: unique together with the kind.
    pub reference: String,
    /// What it means.
    pub kind: PostingKind,
}

/// A posting that must not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPosting {
    /// Nothing or less is no movement.
    #[error("a posting of {0}: the amount must be more than nothing")]
    Amount(Tiyn),
    /// Without a reference it could be made twice.
    #[error("a posting needs a reference of 1 to 128 characters")]
    Reference,
    /// The accounts are not those of the kind.
    #[error("a posting of kind {kind} cannot go from {credit} to {debit}")]
    Accounts {
        /// What it should mean.
        kind: PostingKind,
        /// The account that would gain.
        debit: Account,
        /// The account that would give.
        credit: Account,
    },
}

impl Posting {
    /// A posting with the accounts of its kind.
    ///
    /// # Errors
    /// [`BadPosting`] for an amount of nothing or less, or a reference that is empty or too long.
    pub fn new(kind: PostingKind, amount: Tiyn, reference: impl Into<String>) -> Result<Self, BadPosting> {
        let posting = Self { debit: kind.debit(), credit: kind.credit(), amount, reference: reference.into(), kind };
        posting.check()?;
        Ok(posting)
    }

    /// Checks a posting that was read from elsewhere.
    ///
    /// # Errors
    /// [`BadPosting`].
    pub fn check(&self) -> Result<(), BadPosting> {
        if !self.amount.is_positive() {
            return Err(BadPosting::Amount(self.amount));
        }
        if !(1..=128).contains(&self.reference.chars().count()) {
            return Err(BadPosting::Reference);
        }
        if self.debit != self.kind.debit() || self.credit != self.kind.credit() {
            return Err(BadPosting::Accounts { kind: self.kind, debit: self.debit, credit: self.credit });
        }
        Ok(())
    }
}

/// Every account's balance: what it gained less what it gave.
#[must_use]
pub fn balances<'p>(postings: impl IntoIterator<Item = &'p Posting>) -> BTreeMap<Account, i128> {
    let mut balances: BTreeMap<Account, i128> = Account::ALL.iter().map(|account| (*account, 0)).collect();
    for posting in postings {
        let amount = i128::from(posting.amount.0);
        *balances.entry(posting.debit).or_default() += amount;
        *balances.entry(posting.credit).or_default() -= amount;
    }
    balances
}

impl Purse {
    /// What the postings of one case say.
    #[must_use]
    pub fn of<'p>(postings: impl IntoIterator<Item = &'p Posting>) -> Self {
        postings.into_iter().fold(Self::default(), |purse, posting| purse.with(posting))
    }

    /// The purse after one more posting.
    #[must_use]
    pub const fn with(mut self, posting: &Posting) -> Self {
        let amount = posting.amount.0;
        match posting.kind {
            PostingKind::Received | PostingKind::Claimed => {
                self.received = Tiyn(self.received.0.saturating_add(amount));
            }
            PostingKind::Earned => self.earned = Tiyn(self.earned.0.saturating_add(amount)),
            PostingKind::Returned => self.returned = Tiyn(self.returned.0.saturating_add(amount)),
            // Not the case's until it is claimed.
            PostingKind::ReceivedSuspense => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn posting() -> impl Strategy<Value = Posting> {
        (proptest::sample::select(PostingKind::ALL), 1..1_000_000_000i64).prop_map(|(kind, amount)| Posting {
            debit: kind.debit(),
            credit: kind.credit(),
            amount: Tiyn(amount),
            reference: "p-1".to_owned(),
            kind,
        })
    }

    proptest! {
        #[test]
        fn the_sum_of_all_accounts_is_zero(postings in proptest::collection::vec(posting(), 0..60)) {
            prop_assert_eq!(balances(&postings).values().sum::<i128>(), 0);
        }

        #[test]
        fn what_a_purse_holds_is_what_the_case_account_holds(postings in proptest::collection::vec(posting(), 0..60)) {
            let held = balances(&postings).get(&Account::Case).copied().unwrap_or_default();
            prop_assert_eq!(i128::from(Purse::of(&postings).held().0), held);
        }
    }

    #[test]
    fn a_posting_moves_something_and_can_be_told_apart() {
        assert!(Posting::new(PostingKind::Received, Tiyn(78_640), "p-1").is_ok());
        assert_eq!(Posting::new(PostingKind::Received, Tiyn(0), "p-1"), Err(BadPosting::Amount(Tiyn(0))));
        assert_eq!(Posting::new(PostingKind::Earned, Tiyn(-1), "p-1"), Err(BadPosting::Amount(Tiyn(-1))));
        assert_eq!(Posting::new(PostingKind::Earned, Tiyn(1), ""), Err(BadPosting::Reference));
    }

    #[test]
    fn a_posting_keeps_to_the_accounts_of_its_kind() {
        let planted = Posting {
            debit: Account::Revenue,
            credit: Account::Suspense,
            amount: Tiyn(1),
            reference: "p-1".to_owned(),
            kind: PostingKind::Earned,
        };
        assert!(matches!(planted.check(), Err(BadPosting::Accounts { .. })));
    }

    #[test]
    fn claimed_money_is_received_once() -> Result<(), BadPosting> {
        let postings = [
            Posting::new(PostingKind::ReceivedSuspense, Tiyn(500), "p-1")?,
            Posting::new(PostingKind::Claimed, Tiyn(500), "p-1")?,
        ];
        assert_eq!(Purse::of(&postings).held(), Tiyn(500));
        assert_eq!(balances(&postings).get(&Account::Suspense), Some(&0));
        Ok(())
    }
}
