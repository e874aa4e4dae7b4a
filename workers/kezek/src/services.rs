//! THE services: what a person may ask of the state, each with its flow. Adding one: a file, and a line here.

#[deny(
    clippy::wildcard_enum_match_arm,
    reason = "a new outcome must not compile until the service says where it leads"
)]
pub mod id_card_renewal;

use kezek_stage::{Flow, FlowError};

/// Every flow of every service, each version that a case may still carry.
///
/// # Errors
/// The first flow that could not carry a case, as [`Flow::check`] says; a process does not start with one.
pub fn all() -> Result<Vec<Flow>, FlowError> {
    let flows = vec![id_card_renewal::flow()?];
    flows.iter().try_for_each(Flow::check)?;
    Ok(flows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_flow_can_carry_a_case_and_none_is_there_twice() {
        let flows = all().expect("every flow holds");
        let named: BTreeSet<_> = flows.iter().map(Flow::label).collect();
        assert_eq!(named.len(), flows.len());
    }
}
