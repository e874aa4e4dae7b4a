//! What an applicant is told, once each.

use crate::label::labelled;

labelled! {
    /// The kinds of notice.
    pub enum NoticeKind {
        /// The application has arrived.
        Received = "received",
        /// It has a coupon (A3.13, A3.16).
        Registered = "registered",
        /// It does not go on.
        Refused = "refused",
        /// Duty is to be paid (A3.15).
        PaymentDue = "payment-due",
        /// The duty has not arrived and the order lapses soon (A3.15).
        PaymentReminder = "payment-reminder",
        /// Less than the duty has arrived.
        PartlyPaid = "partly-paid",
        /// The duty has arrived.
        Paid = "paid",
        /// No duty is due (A3.14).
        Exempt = "exempt",
        /// The department of the chosen region has it (A10).
        InReview = "in-review",
        /// Approved (A11a).
        Approved = "approved",
        /// Cancelled (A11b).
        Cancelled = "cancelled",
        /// The card is being made (A3.18).
        InProduction = "in-production",
        /// The card can be fetched in person (A11d).
        Ready = "ready",
        /// The card lies ready and nobody has fetched it (A11d).
        ReadyReminder = "ready-reminder",
        /// Nobody has fetched it for long; the last reminder (A11d).
        ReadyLastCall = "ready-last-call",
        /// The card was handed over (A11d).
        Issued = "issued",
        /// Closed because the duty was not paid.
        Unpaid = "unpaid",
        /// Non-performance is confirmed; the tax authority may be asked (A11c).
        RefundConfirmed = "refund-confirmed",
        /// Nobody has claimed what may be claimed (A11c).
        RefundReminder = "refund-reminder",
        /// The claim's limit is near; the last reminder (A11c).
        RefundLastCall = "refund-last-call",
        /// The tax authority has paid (A11c).
        RefundPaid = "refund-paid",
        /// A human looks at something.
        QuestionAsked = "question-asked",
    }
}
