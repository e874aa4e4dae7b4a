//! A3.10: the photograph against the requirements for document photographs: what a machine can measure and explain.
//! Whose face it is, is another question (A3.11); what the face does, an officer sees (A11a).

use crate::picture::grey::{Grey, share};
use crate::picture::jpeg::{decode_rgb, outline};
use crate::sheet::Verdict;
use kezek_domain::rules::{PhotoProfile, Refusal};

/// Whether the photograph is fit: the first measure that is not, in the order in which they are cheap.
#[must_use]
pub fn judge(bytes: &[u8], profile: &PhotoProfile) -> Verdict {
    match measure(bytes, profile) {
        Ok(()) => Verdict::Passed("fit"),
        Err(detail) => Verdict::Failed(Refusal::PhotoUnfit, detail),
    }
}

fn measure(bytes: &[u8], profile: &PhotoProfile) -> Result<(), &'static str> {
    let fails = |failed: bool, detail| if failed { Err(detail) } else { Ok(()) };
    // the container, before anything is decoded
    fails(bytes.len() as u64 > profile.max_bytes, "too-many-bytes")?;
    let outline = outline(bytes).map_err(|e| e.0)?;
    fails(u64::from(outline.width) * u64::from(outline.height) > profile.max_pixels, "too-many-pixels")?;
    fails(outline.width < profile.min_width || outline.height < profile.min_height, "too-small")?;
    fails(!profile.ratio_fits(outline.width, outline.height), "wrong-ratio")?;
    fails(outline.channels != profile.channels || outline.bits != profile.bits, "not-colour")?;
    fails(!outline.upright, "not-upright")?;
    // the pixels
    let pixels = decode_rgb(bytes, &outline).map_err(|e| e.0)?;
    fails(colour_spread(&pixels) < f64::from(profile.min_colour_spread), "grey")?;
    let grey = Grey::of_rgb(&pixels, outline.width, outline.height);
    let corners = grey.upper_corners();
    fails(corners.iter().any(|c| c.mean < f64::from(profile.background_min_luma)), "dark-background")?;
    let deviation = f64::from(profile.background_max_deviation);
    fails(corners.iter().any(|c| c.variance > deviation * deviation), "uneven-background")?;
    fails(grey.clipped() * 1000.0 > f64::from(profile.clipped_max_permille), "clipped")?;
    fails(grey.sharpness() < f64::from(profile.min_sharpness), "blurred")
}

/// Mean difference between the strongest and the weakest channel, 0–255.
fn colour_spread(pixels: &[u8]) -> f64 {
    let spread = |p: &[u8]| usize::from(p.iter().max().unwrap_or(&0) - p.iter().min().unwrap_or(&0));
    let sum: usize = pixels.chunks_exact(3).map(spread).sum();
    share(sum, pixels.len() / 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::testing::{Paint, painted, portrait};
    use kezek_domain::rules::Rules;

    fn judged(bytes: &[u8]) -> Verdict {
        judge(bytes, &Rules::built_in().pictures().photo)
    }
    fn unfit(detail: &'static str) -> Verdict {
        Verdict::Failed(Refusal::PhotoUnfit, detail)
    }

    #[test]
    fn a3_10_a_good_photograph_is_fit() {
        assert_eq!(judged(&portrait(490, 630)), Verdict::Passed("fit"));
        assert_eq!(judged(&portrait(980, 1260)), Verdict::Passed("fit"));
    }

    #[test]
    fn a3_10_size_and_shape() {
        assert_eq!(judged(&portrait(210, 270)), unfit("too-small"));
        assert_eq!(judged(&portrait(700, 700)), unfit("wrong-ratio"));
        let mut long = portrait(490, 630);
        long.resize(2 * 1024 * 1024, 0);
        assert_eq!(judged(&long), unfit("too-many-bytes"));
    }

    #[test]
    fn a3_10_a_picture_that_claims_to_be_a_giant_is_refused_before_decoding() {
        let mut giant = portrait(490, 630);
        let frame = giant.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
        giant[frame + 5..frame + 9].copy_from_slice(&[0xEA, 0x60, 0xB5, 0xA0]);
        assert_eq!(judged(&giant), unfit("too-many-pixels"));
    }

    #[test]
    fn a3_10_light_and_sharpness() {
        let with = |paint| judged(&painted(490, 630, paint));
        assert_eq!(with(Paint { background: 60, ..Paint::default() }), unfit("dark-background"));
        assert_eq!(with(Paint { stripes: 90, ..Paint::default() }), unfit("uneven-background"));
        assert_eq!(with(Paint { background: 255, ..Paint::default() }), unfit("clipped"));
        assert_eq!(with(Paint { blurred: true, ..Paint::default() }), unfit("blurred"));
        assert_eq!(with(Paint { grey: true, ..Paint::default() }), unfit("grey"));
    }

    #[test]
    fn a3_10_what_is_not_a_whole_jpeg_is_unfit() {
        let whole = portrait(490, 630);
        assert_eq!(judged(&whole[..whole.len() / 2]), unfit("truncated"));
        assert_eq!(judged(b"GIF89a"), unfit("not-jpeg"));
    }
}
