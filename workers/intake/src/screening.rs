//! A3.1–A3.7 with A0.3, A2 and A7: who is applying, and may he do so online? Asked twice, with the same code: by the
//! portal's pre-check before anything is filled in, and by the stage, because all of it can change in between.
//!
//! The registers are asked in the order of the law, and no further one once a check has failed. What can be judged
//! from an answer already given is judged and kept all the same.

use crate::checks::{
    capacity, card, changes, citizenship, consent, identification, legal_basis, person, phone, reason, residence,
    window,
};
use crate::outage::{self, Halt};
use crate::sheet::Sheet;
use jiff::Timestamp;
use jiff::civil::Date;
use kezek_domain::dossier::{ChangedAttribute, Consent, Document, Identity, Reason};
use kezek_domain::rules::{Rules, almaty_date};
use kezek_domain::{Iin, Phone, Service, Sex, System};
use kezek_gateway::{ConsentAnswer, Gateway, PersonAnswer, PersonRecord};
use kezek_stage::{Attempt, Fault};

/// Who asks for what.
#[derive(Debug)]
pub struct Applicant<'a> {
    /// The person.
    pub iin: &'a Iin,
    /// The person's telephone.
    pub phone: &'a Phone,
    /// What is asked for.
    pub service: &'a Service,
    /// Why.
    pub reason: Reason,
    /// The identification session.
    pub session: &'a str,
    /// The present card, where somebody has named it yet.
    pub card: Option<&'a str>,
    /// The instant by which the law judges.
    pub filed_at: Timestamp,
}

/// What the registers said.
#[derive(Debug, Default)]
pub struct Screened {
    /// The consent that was used.
    pub consent: Option<Consent>,
    /// The person.
    pub record: Option<Box<PersonRecord>>,
    /// What has changed.
    pub changed: Vec<ChangedAttribute>,
}

/// Asks the registers and judges.
#[derive(Debug)]
pub struct Screening<'a> {
    /// The way to the registers.
    pub gateway: &'a Gateway,
    /// The rules.
    pub rules: &'a Rules,
    /// Breaker, record and clock.
    pub attempt: &'a Attempt,
}

impl Screening<'_> {
    /// Screens one applicant onto a sheet; `given` is the consent that came with the application.
    ///
    /// # Errors
    /// [`Halt`] where a register could not be asked.
    pub async fn screen(
        &self,
        who: &Applicant<'_>,
        given: Option<&Consent>,
        sheet: &mut Sheet,
    ) -> Result<Screened, Halt> {
        let filed = almaty_date(who.filed_at);
        let mut screened = Screened::default();
        sheet.note("A0.3", legal_basis::judge(self.rules, who.service, filed));
        sheet.note("A7", reason::judge(who.reason));
        if !sheet.stands() {
            return Ok(screened);
        }
        screened.consent = self.consent(who, given, sheet).await?;
        let Some(consent) = screened.consent.clone() else { return Ok(screened) };
        screened.record = self.person(who, consent, &mut screened.consent, sheet).await?;
        let Some(record) = screened.record.as_deref() else { return Ok(screened) };

        sheet.note("A3.2", person::living(record));
        sheet.note("A2", citizenship::judge(record));
        sheet.note("A3.2", person::birth_date(record));
        sheet.note("A5.4", person::birth_country(record));
        if sheet.stands() {
            let bound = self.ask(System::Bmg, "phone", self.gateway.phone_bound(who.iin, who.phone)).await?;
            sheet.note("A3.2", phone::judge(bound));
        }
        if sheet.stands() {
            let known = self.ask(System::DigitalId, "identify", self.gateway.identify(who.session, who.iin)).await?;
            sheet.note("A3.3", identification::judge(known));
        }
        sheet.note("A3.4", capacity::judge(record, filed));
        let newest = record.newest_id_card();
        // without a card there is nothing to have changed since; A3.7 then says so
        if let Some(since) = card::since(newest).filter(|_| sheet.stands()) {
            screened.changed = self.ask(System::ZagsIs, "changes", self.gateway.changes(who.iin, since)).await?;
            sheet.note("A3.5", changes::judge(&screened.changed));
        }
        sheet.note("A3.6", residence::judge(record, filed));
        // who is registered nowhere has no region to map
        if record.address.is_some() {
            sheet.note("A3.6", residence::known_region(record));
        }
        sheet.note("A3.7", card::judge(newest, who.card));
        if let Some(card) = newest {
            sheet.note("A7", window::judge(self.rules, who.service, card.end, filed));
        }
        Ok(screened)
    }

    /// One question to a register that changes nothing there, with A12.
    ///
    /// # Errors
    /// [`Halt`].
    pub async fn ask<T, E: Into<Fault>>(
        &self,
        system: System,
        operation: &'static str,
        call: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, Halt> {
        let answer = self.attempt.call(system, operation, call).await;
        answer.map_err(|fault| outage::judge(fault, system, self.attempt, self.rules))
    }

    async fn consent(
        &self,
        who: &Applicant<'_>,
        given: Option<&Consent>,
        sheet: &mut Sheet,
    ) -> Result<Option<Consent>, Halt> {
        match given.filter(|c| consent::usable(c, self.attempt.now())) {
            Some(consent) => {
                sheet.note("A3.1", crate::sheet::Verdict::Passed("valid"));
                Ok(Some(consent.clone()))
            }
            None => self.consent_anew(who, sheet).await,
        }
    }

    async fn consent_anew(&self, who: &Applicant<'_>, sheet: &mut Sheet) -> Result<Option<Consent>, Halt> {
        let now = self.attempt.now();
        let asked = self.gateway.consent(who.iin, who.phone, who.service.as_str(), now);
        let answer = self.ask(System::Kdp, "consent", asked).await?;
        sheet.note("A3.1", consent::judge(&answer));
        Ok(match answer {
            ConsentAnswer::Granted(consent) => Some(consent),
            ConsentAnswer::Denied => None,
        })
    }

    /// The person; a token that the register refuses is asked anew, once.
    async fn person(
        &self,
        who: &Applicant<'_>,
        consent: Consent,
        used: &mut Option<Consent>,
        sheet: &mut Sheet,
    ) -> Result<Option<Box<PersonRecord>>, Halt> {
        let mut answer = self.ask(System::Gbdfl, "person", self.gateway.person(who.iin, &consent)).await?;
        if answer == PersonAnswer::TokenExpired {
            *used = self.consent_anew(who, sheet).await?;
            let Some(consent) = used.as_ref() else { return Ok(None) };
            answer = self.ask(System::Gbdfl, "person", self.gateway.person(who.iin, consent)).await?;
        }
        sheet.note("A3.2", person::judge(&answer));
        Ok(match answer {
            PersonAnswer::Found(record) => Some(record),
            PersonAnswer::NotFound | PersonAnswer::Several | PersonAnswer::TokenExpired => None,
        })
    }
}

impl Screened {
    /// What is filed of the person and the card; `None` where a register did not say enough.
    #[must_use]
    pub fn sections(&self, filed_at: Timestamp) -> Option<(Identity, Document)> {
        let record = self.record.as_deref()?;
        let filed: Date = almaty_date(filed_at);
        let card = record.newest_id_card()?;
        let document =
            Document { number: card.number.clone(), begins: card.begin?, ends: card.end, status: card.status.clone() };
        let sex = match record.gender.as_str() {
            "1" => Sex::Male,
            "2" => Sex::Female,
            _ => record.iin.sex(),
        };
        let identity = Identity {
            surname: record.surname.clone(),
            given_name: record.name.clone(),
            patronymic: record.patronymic.clone(),
            birth_date: record.birth_date,
            sex,
            citizenship: record.citizenship.clone(),
            birth_country: record.birth_country.clone().unwrap_or_default(),
            registered_region: residence::region(record),
            registered_permanently: record.permanently_registered_on(filed),
            capable: record.capable_on(filed),
            changed: self.changed.clone(),
        };
        Some((identity, document))
    }
}
