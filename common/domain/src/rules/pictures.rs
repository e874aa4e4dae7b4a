//! Limits of the photograph (A3.10) and of the specimen signature (A3.9). The measuring is intake's.

use jiff::civil::Date;
use serde::Deserialize;

/// Both profiles.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pictures {
    #[serde(rename = "version")]
    _version: Date,
    /// The photograph.
    pub photo: PhotoProfile,
    /// The specimen signature.
    pub signature: SignatureProfile,
}

/// What a photograph must be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhotoProfile {
    /// Pixels, at least.
    pub min_width: u32,
    /// Pixels, at least.
    pub min_height: u32,
    /// Pixels, at most; judged before decoding.
    pub max_pixels: u64,
    /// The wanted ratio is `ratio_width : ratio_height`.
    pub ratio_width: u32,
    /// The wanted ratio is `ratio_width : ratio_height`.
    pub ratio_height: u32,
    /// Deviation from the ratio, at most.
    pub ratio_tolerance_permille: u32,
    /// Size of the file, at most.
    pub max_bytes: u64,
    /// Colour channels, exactly.
    pub channels: u8,
    /// Bits per channel, exactly.
    pub bits: u8,
    /// Mean difference between channels (0–255); below it the picture is grey in effect.
    pub min_colour_spread: u32,
    /// Mean luminance of the top corners (0–255), at least.
    pub background_min_luma: u32,
    /// Standard deviation of the top corners, at most.
    pub background_max_deviation: u32,
    /// Share of pixels at black or at white, at most.
    pub clipped_max_permille: u32,
    /// Variance of the Laplacian, at least.
    pub min_sharpness: u32,
    /// Where the values come from.
    pub citation: String,
}

/// What a specimen signature must be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureProfile {
    /// Pixels, at least.
    pub min_width: u32,
    /// Pixels, at least.
    pub min_height: u32,
    /// Pixels, at most; judged before decoding.
    pub max_pixels: u64,
    /// Size of the file, at most.
    pub max_bytes: u64,
    /// Share of ink, at least: blank below.
    pub min_ink_permille: u32,
    /// Share of ink, at most.
    pub max_ink_permille: u32,
    /// Width of the ink's bounding box against the picture's, at least.
    pub min_box_width_permille: u32,
    /// The ink keeps this far from the edge.
    pub border_pixels: u32,
    /// Darker than this (0–255) is ink.
    pub ink_luma: u8,
    /// Where the values come from.
    pub citation: String,
}

impl Pictures {
    pub(super) fn check(&self) -> Result<(), String> {
        let photo = &self.photo;
        if photo.ratio_width == 0 || photo.ratio_height == 0 {
            return Err("photo: the ratio must not be zero".to_owned());
        }
        if u64::from(photo.min_width) * u64::from(photo.min_height) > photo.max_pixels {
            return Err("photo: max_pixels is below the smallest picture admitted".to_owned());
        }
        if !photo.ratio_fits(photo.min_width, photo.min_height) {
            return Err("photo: the smallest picture admitted does not have the ratio".to_owned());
        }
        let signature = &self.signature;
        if u64::from(signature.min_width) * u64::from(signature.min_height) > signature.max_pixels {
            return Err("signature: max_pixels is below the smallest picture admitted".to_owned());
        }
        if signature.min_ink_permille >= signature.max_ink_permille || signature.max_ink_permille > 1000 {
            return Err("signature: ink must run from a smaller to a larger share, at most 1000".to_owned());
        }
        Ok(())
    }
}

impl PhotoProfile {
    /// Whether width : height is the wanted ratio, within tolerance.
    #[must_use]
    pub fn ratio_fits(&self, width: u32, height: u32) -> bool {
        let seen = u64::from(width) * u64::from(self.ratio_height) * 1000;
        let wanted = u64::from(height) * u64::from(self.ratio_width);
        seen.abs_diff(wanted * 1000) <= wanted * u64::from(self.ratio_tolerance_permille)
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::Rules;

    #[test]
    fn a3_10_the_ratio_of_a_document_photograph() {
        let photo = &Rules::built_in().pictures().photo;
        assert!(photo.ratio_fits(700, 900));
        assert!(photo.ratio_fits(450, 600));
        assert!(!photo.ratio_fits(600, 600));
        assert!(!photo.ratio_fits(900, 700));
    }
}
