//! Digital-ID: identification of the person (A3.3) and of his portrait (A3.11). Two questions in the
//! law, two operations here.

use kezek_domain::{Iin, System};

use crate::answer::Answer;
use crate::xml::{Node, base64_text};
use crate::{Gateway, GatewayFault, service_ids};

/// What a comparison came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// The same person.
    Matched,
    /// Not the same person.
    NotMatched,
    /// Between the thresholds: for a human.
    Unsure,
}

impl Gateway {
    /// Did the person identify himself in this session? (A3.3)
    ///
    /// # Errors
    /// A technical failure.
    pub async fn identify(&self, session: &str, iin: &Iin) -> Result<Match, GatewayFault> {
        let question = Node::new("sessionRequest").field("sessionId", session).field("iin", iin.expose());
        read(&self.ask(System::DigitalId, service_ids::SESSION, None, &question).await?)
    }

    /// Does this photograph (JPEG) show the person whose portrait GBDFL holds? (A3.11)
    ///
    /// # Errors
    /// A technical failure.
    pub async fn portrait_matches(&self, iin: &Iin, photo: &[u8]) -> Result<Match, GatewayFault> {
        let question = Node::new("portraitRequest").field("iin", iin.expose()).field("photo", base64_text(photo));
        read(&self.ask(System::DigitalId, service_ids::FACE, None, &question).await?)
    }
}

fn read(answer: &Answer) -> Result<Match, GatewayFault> {
    match answer.success()?.need_text("result").map_err(|problem| answer.bad(problem))? {
        "matched" => Ok(Match::Matched),
        "not-matched" => Ok(Match::NotMatched),
        "unsure" => Ok(Match::Unsure),
        _ => Err(answer.odd("result")),
    }
}
