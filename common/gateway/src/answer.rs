//! The business answer inside the envelope: its result code and what that code means.
//!
//! `SCSS001` outside says that the gateway processed the message; only `messageResult/code = 00000`
//! inside says that the business request succeeded.

use kezek_domain::System;

use crate::envelope::plain_code;
use crate::fault::GatewayFault;
use crate::xml::{Node, Problem};

/// Success of the business request.
pub(crate) const SUCCESS: &str = "00000";

/// A business answer whose envelope was good.
#[derive(Debug)]
pub(crate) struct Answer {
    pub system: System,
    pub code: String,
    pub data: Node,
}

impl Answer {
    pub fn read(system: System, data: Node) -> Result<Self, GatewayFault> {
        let code = data.need_text("messageResult/code").map_err(|problem| bad(system, problem))?.to_owned();
        Ok(Self { system, code, data })
    }

    /// The code of a failure that the operation has no variant for.
    pub fn unexpected(&self) -> GatewayFault {
        let code = plain_code(&self.code);
        match self.code.as_str() {
            "demo-token-unknown" | "demo-token-missing" => GatewayFault::ConsentMissing { system: self.system },
            "demo-not-found" => GatewayFault::DataNotFound { system: self.system },
            _ => GatewayFault::RemoteError { system: self.system, code },
        }
    }

    /// The answer's data if the request succeeded, else the fault for its code.
    pub fn success(&self) -> Result<&Node, GatewayFault> {
        if self.code == SUCCESS { Ok(&self.data) } else { Err(self.unexpected()) }
    }

    /// A problem of the answer's shape as a fault.
    pub fn bad(&self, problem: Problem) -> GatewayFault {
        bad(self.system, problem)
    }

    /// A value that no rule foresees, at this place.
    pub fn odd(&self, path: &str) -> GatewayFault {
        bad(self.system, self.data.problem(path, "has a value that is not known"))
    }
}

pub(crate) fn bad(system: System, problem: Problem) -> GatewayFault {
    GatewayFault::BadAnswer { system, place: problem.place, what: problem.what }
}
