//! A3.9: the specimen signature: a picture with a signature's amount of ink, all of it on the paper. Whether it is a
//! good specimen, an officer sees (A11a).

use crate::picture::grey::share;
use crate::sheet::Verdict;
use image::{ImageFormat, ImageReader, Limits};
use kezek_domain::rules::{Refusal, SignatureProfile};
use std::io::Cursor;

/// Whether the sample is fit: the first measure that is not.
#[must_use]
pub fn judge(bytes: &[u8], profile: &SignatureProfile) -> Verdict {
    match measure(bytes, profile) {
        Ok(()) => Verdict::Passed("fit"),
        Err(detail) => Verdict::Failed(Refusal::SignatureUnfit, detail),
    }
}

fn measure(bytes: &[u8], profile: &SignatureProfile) -> Result<(), &'static str> {
    let fails = |failed: bool, detail| if failed { Err(detail) } else { Ok(()) };
    fails(bytes.len() as u64 > profile.max_bytes, "too-many-bytes")?;
    let reader = || {
        let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
        let mut limits = Limits::default();
        // a pixel is at most eight bytes; the decoder needs some room of its own
        limits.max_alloc = Some(profile.max_pixels * 8 + (1 << 20));
        reader.limits(limits);
        reader
    };
    let (width, height) = reader().into_dimensions().map_err(|_| "not-png")?;
    fails(u64::from(width) * u64::from(height) > profile.max_pixels, "too-many-pixels")?;
    fails(width < profile.min_width || height < profile.min_height, "too-small")?;
    let picture = reader().decode().map_err(|_| "undecodable")?.to_luma_alpha8();

    let mut ink = 0_usize;
    let (mut left, mut right, mut top, mut bottom) = (u32::MAX, 0, u32::MAX, 0);
    for (x, y, pixel) in picture.enumerate_pixels() {
        let [light, opaque] = pixel.0.map(u32::from);
        // what is transparent is paper
        if light * opaque / 255 + (255 - opaque) < u32::from(profile.ink_luma) {
            ink += 1;
            (left, right) = (left.min(x), right.max(x));
            (top, bottom) = (top.min(y), bottom.max(y));
        }
    }
    let permille = share(ink, picture.pixels().len()) * 1000.0;
    fails(permille < f64::from(profile.min_ink_permille), "blank")?;
    fails(permille > f64::from(profile.max_ink_permille), "too-much-ink")?;
    let border = profile.border_pixels;
    let touches = left < border || top < border || right + border >= width || bottom + border >= height;
    fails(touches, "touches-the-edge")?;
    let box_permille = u64::from(right - left + 1) * 1000 / u64::from(width);
    fails(box_permille < u64::from(profile.min_box_width_permille), "too-narrow")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::testing::{Stroke, signature};
    use kezek_domain::rules::Rules;

    fn judged(bytes: &[u8]) -> Verdict {
        judge(bytes, &Rules::built_in().pictures().signature)
    }
    fn unfit(detail: &'static str) -> Verdict {
        Verdict::Failed(Refusal::SignatureUnfit, detail)
    }

    #[test]
    fn a3_9_a_written_signature_is_fit_on_white_and_on_transparent_paper() {
        assert_eq!(judged(&signature(600, 200, Stroke::Written)), Verdict::Passed("fit"));
        assert_eq!(judged(&signature(600, 200, Stroke::WrittenOnNothing)), Verdict::Passed("fit"));
    }

    #[test]
    fn a3_9_a_dot_a_blot_and_a_cut_signature_are_unfit() {
        assert_eq!(judged(&signature(600, 200, Stroke::Nothing)), unfit("blank"));
        assert_eq!(judged(&signature(600, 200, Stroke::Blot)), unfit("too-much-ink"));
        assert_eq!(judged(&signature(600, 200, Stroke::OverTheEdge)), unfit("touches-the-edge"));
        assert_eq!(judged(&signature(600, 200, Stroke::Narrow)), unfit("too-narrow"));
        assert_eq!(judged(&signature(100, 50, Stroke::Written)), unfit("too-small"));
    }

    #[test]
    fn a3_9_what_is_not_a_whole_png_is_unfit() {
        let whole = signature(600, 200, Stroke::Written);
        assert_eq!(judged(&whole[..whole.len() / 2]), unfit("undecodable"));
        assert_eq!(judged(b"\xFF\xD8\xFF"), unfit("not-png"));
    }
}
