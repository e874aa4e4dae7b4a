//! ZAGS IS: which attributes of the person changed since a date (A3.5).

use jiff::civil::Date;
use kezek_domain::Iin;
use kezek_domain::System;
use kezek_domain::dossier::ChangedAttribute;

use crate::xml::Node;
use crate::{Gateway, GatewayFault, service_ids};

impl Gateway {
    /// The attributes whose acts were recorded on or after `since`; none for most people (A3.5).
    ///
    /// # Errors
    /// A technical failure, or an attribute that is not among the five of the law.
    pub async fn changes(&self, iin: &Iin, since: Date) -> Result<Vec<ChangedAttribute>, GatewayFault> {
        let question = Node::new("changesRequest").field("iin", iin.expose()).field("since", since.to_string());
        let answer = self.ask(System::ZagsIs, service_ids::CHANGES, None, &question).await?;
        let data = answer.success()?;
        let acts = data.find("acts").map_or(&[][..], Node::children);
        let mut changed = Vec::new();
        for act in acts {
            let attribute = act.need_text("attribute").map_err(|problem| answer.bad(problem))?;
            let attribute = ChangedAttribute::parse(attribute).ok_or_else(|| answer.odd("acts/act/attribute"))?;
            if !changed.contains(&attribute) {
                changed.push(attribute);
            }
        }
        Ok(changed)
    }
}
