//! A3.9–A3.12: what was attached and signed. Everything that needs no register is judged even after a failure, so
//! that the findings name all that is wrong with the papers.

use crate::checks::{digests, eds, photo, portrait, sample};
use crate::outage::Halt;
use crate::picture::jpeg::stripped;
use crate::screening::Screening;
use crate::sheet::{Sheet, Verdict};
use jiff::Timestamp;
use kezek_domain::System;
use kezek_domain::dossier::Form;
use kezek_domain::rules::Refusal;
use kezek_gateway::eds::{Asked, SignerRole, Verifier};

/// What was attached and signed.
pub struct Papers<'a> {
    /// The form.
    pub form: &'a Form,
    /// The photograph.
    pub photo: &'a [u8],
    /// The specimen signature.
    pub sample: &'a [u8],
    /// The exact bytes that were signed.
    pub signed: &'a [u8],
    /// The signature over them.
    pub eds: &'a [u8],
    /// The instant of filing.
    pub filed_at: Timestamp,
}

/// Examines the papers onto a sheet.
///
/// # Errors
/// [`Halt`] where Digital-ID could not be asked, or revocation could not be established and nothing else refuses.
pub async fn examine(
    papers: &Papers<'_>,
    verifier: &Verifier,
    screening: &Screening<'_>,
    sheet: &mut Sheet,
) -> Result<(), Halt> {
    let pictures = screening.rules.pictures();
    let form = papers.form;
    sheet.note("A3.9", digests::judge(form, papers.signed, papers.photo, papers.sample));
    sheet.note("A3.9", sample::judge(papers.sample, &pictures.signature));
    sheet.note("A3.10", photo::judge(papers.photo, &pictures.photo));
    if sheet.stands() {
        // nobody outside needs to know where the picture was taken
        match stripped(papers.photo) {
            Ok(photo) => {
                let asked = screening.gateway.portrait_matches(&form.iin, &photo);
                let answer = screening.ask(System::DigitalId, "portrait", asked).await?;
                sheet.note("A3.11", portrait::judge(answer));
            }
            // only where a human has let an unfit photograph pass: whom it shows cannot be found out
            Err(_) => sheet.note("A3.11", Verdict::Failed(Refusal::PhotoMismatch, "unreadable")),
        }
    }
    let asked = Asked {
        content: papers.signed,
        signature: papers.eds,
        expected: &form.iin,
        role: SignerRole::Applicant,
        at: papers.filed_at,
    };
    let verified = verifier.judge(asked).await;
    match eds::judge(&verified) {
        Ok(verdict) => sheet.note("A3.12", verdict),
        Err(fault) if sheet.stands() => return Err(fault.into()),
        // refused on other grounds already: the list would change nothing, and the signature stays unjudged
        Err(_) => {}
    }
    Ok(())
}
