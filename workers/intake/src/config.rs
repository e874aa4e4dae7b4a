//! What an installation may set.

use kezek_domain::IinProfile;
use kezek_stage::ConfigError;
use serde::Deserialize;

/// The configuration section `stage.intake`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which IINs the doors admit: `citizen` (default), or `demo` for demonstrations and tests.
    pub iin_profile: IinProfile,
    /// The largest request, in bytes, from 65536 to 67108864; default 8 MiB.
    pub max_request_bytes: usize,
    /// The largest photograph that the door takes, in bytes; default 4 MiB. The rules' own limit (A3.10) is lower and
    /// refuses with a reason.
    pub max_photo_bytes: usize,
    /// The largest specimen signature that the door takes, in bytes; default 1 MiB.
    pub max_sample_bytes: usize,
    /// The largest signed content and the largest signature that the door takes, in bytes each; default 64 KiB.
    pub max_signed_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            iin_profile: IinProfile::Citizen,
            max_request_bytes: 8 << 20,
            max_photo_bytes: 4 << 20,
            max_sample_bytes: 1 << 20,
            max_signed_bytes: 64 << 10,
        }
    }
}

impl Config {
    /// Refuses what contradicts itself.
    ///
    /// # Errors
    /// Names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !((64 << 10)..=(64 << 20)).contains(&self.max_request_bytes) {
            return Err(ConfigError::at("stage.intake.max_request_bytes", "give 65536 to 67108864"));
        }
        let parts = [
            ("max_photo_bytes", self.max_photo_bytes),
            ("max_sample_bytes", self.max_sample_bytes),
            ("max_signed_bytes", self.max_signed_bytes),
        ];
        // base64 makes three bytes four
        match parts.iter().find(|(_, bytes)| *bytes == 0 || bytes / 3 * 4 >= self.max_request_bytes) {
            None => Ok(()),
            Some((name, _)) => Err(ConfigError::at(
                format!("stage.intake.{name}"),
                "give at least 1, and so much that its base64 fits into max_request_bytes",
            )),
        }
    }
}
