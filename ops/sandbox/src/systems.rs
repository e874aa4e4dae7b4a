//! The stand-ins themselves: one place that finds the one that is asked.

pub mod identity;
pub mod notices;
pub mod orders;
pub mod production;
pub mod registers;
pub mod registration;
mod statements;
pub mod tax;

use std::sync::Arc;

use kezek_domain::System;
use kezek_gateway::service_ids as ids;
use kezek_gateway::xml::{Node, Problem};

use crate::world::World;

/// Whose service this is.
#[must_use]
pub fn system_of(service: &str) -> Option<System> {
    Some(match service {
        ids::CONSENT => System::Kdp,
        ids::PERSON | ids::PORTRAIT => System::Gbdfl,
        ids::PHONE => System::Bmg,
        ids::SESSION | ids::FACE => System::DigitalId,
        ids::CHANGES => System::ZagsIs,
        ids::STATUSES => System::Sik,
        ids::REGISTER | ids::REGISTRATION_STATE | ids::CANCEL | ids::CLOSE => System::RpDrn,
        ids::CREATE_ORDER | ids::WITHDRAW_ORDER | ids::ORDER_STATE => System::RpDrn,
        ids::PRODUCTION_ORDER => System::ProductionCentre,
        ids::NON_PERFORMANCE => System::TaxAuthority,
        ids::SMS => System::Sms,
        ids::CABINET => System::Cabinet,
        ids::RP_DRN_STATEMENT => System::RpDrn,
        ids::PRODUCTION_STATEMENT => System::ProductionCentre,
        ids::TAX_STATEMENT => System::TaxAuthority,
        ids::CABINET_STATEMENT => System::Cabinet,
        _ => return None,
    })
}

/// Answers a request of the synchronous channel.
///
/// # Errors
/// Where the request lacks something, or the service is not of this channel.
pub async fn answer(world: &Arc<World>, service: &str, data: &Node) -> Result<Node, Problem> {
    match service {
        ids::CONSENT => registers::consent(world, data),
        ids::PERSON => registers::person(world, data),
        ids::PORTRAIT => registers::portrait(world, data),
        ids::CHANGES => registers::changes(world, data),
        ids::STATUSES => registers::statuses(world, data),
        ids::PHONE => identity::phone(world, data),
        ids::SESSION => identity::session(world, data),
        ids::FACE => identity::face(world, data),
        ids::REGISTER => registration::register(world, data),
        ids::REGISTRATION_STATE => registration::state(world, data),
        ids::CANCEL => registration::cancel(world, data),
        ids::CLOSE => registration::close(world, data),
        ids::CREATE_ORDER => orders::create(world, data).await,
        ids::WITHDRAW_ORDER => orders::withdraw(world, data),
        ids::ORDER_STATE => orders::state(world, data),
        ids::SMS => notices::sms(world, data),
        ids::CABINET => notices::cabinet(world, data),
        ids::RP_DRN_STATEMENT => Ok(statements::rp_drn(world, data)),
        ids::PRODUCTION_STATEMENT => Ok(statements::production(world, data)),
        ids::TAX_STATEMENT => Ok(statements::tax(world, data)),
        ids::CABINET_STATEMENT => Ok(statements::cabinet(world, data)),
        _ => Err(Problem::at("requestInfo/serviceId", "not a service of the synchronous channel")),
    }
}

/// Takes a message of the asynchronous channel.
///
/// # Errors
/// Where the message lacks something, or the service is not of this channel.
pub fn accept(world: &Arc<World>, service: &str, data: &Node) -> Result<(), Problem> {
    match service {
        ids::PRODUCTION_ORDER => production::order(world, data),
        ids::NON_PERFORMANCE => tax::non_performance(world, data),
        _ => Err(Problem::at("messageInfo/serviceId", "not a service of the asynchronous channel")),
    }
}
