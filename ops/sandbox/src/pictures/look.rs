//! An officer's eye: what one sees in a picture without knowing whose it is (A11a).
//!
//! Good enough to tell our own variants apart; no substitute for an officer.

use image::GrayImage;

/// Whether the person in the portrait wears dark glasses: two large dark fields where the eyes are.
///
/// # Errors
/// Where the bytes are no picture.
pub fn wears_dark_glasses(portrait: &[u8]) -> anyhow::Result<bool> {
    let grey = image::load_from_memory(portrait)?.to_luma8();
    let eye = |from: f32, to: f32| share_darker(&grey, (from, 0.40, to, 0.51), 70);
    Ok(eye(0.27, 0.45) > 0.6 && eye(0.55, 0.73) > 0.6)
}

/// Whether the signature is covered: somewhere a field of ink that no pen stroke fills.
///
/// # Errors
/// Where the bytes are no picture.
pub fn is_blotted(signature: &[u8]) -> anyhow::Result<bool> {
    const FIELD: u32 = 28;
    let grey = image::load_from_memory(signature)?.to_luma8();
    let inked =
        |left: u32, top: u32| (top..top + FIELD).all(|y| (left..left + FIELD).all(|x| grey.get_pixel(x, y).0[0] < 128));
    let steps = |length: u32| (0..length.saturating_sub(FIELD)).step_by(4);
    Ok(steps(grey.height()).any(|top| steps(grey.width()).any(|left| inked(left, top))))
}

/// The share of pixels darker than `limit` within a part of the picture (0–1 of its sides).
fn share_darker(grey: &GrayImage, (left, top, right, bottom): (f32, f32, f32, f32), limit: u8) -> f32 {
    let (width, height) = (grey.width() as f32, grey.height() as f32);
    let mut dark = 0_u32;
    let mut all = 0_u32;
    for y in (height * top) as u32..(height * bottom) as u32 {
        for x in (width * left) as u32..(width * right) as u32 {
            all += 1;
            dark += u32::from(grey.get_pixel(x, y).0[0] < limit);
        }
    }
    if all == 0 { 0.0 } else { dark as f32 / all as f32 }
}

#[cfg(test)]
mod tests {
    use super::super::{Face, Handwriting, Portrait};
    use super::*;

    #[test]
    fn a11a_the_eye_tells_glasses_from_eyes_and_blots_from_strokes() -> anyhow::Result<()> {
        for who in 0..24 {
            let face = Face::of(7, who, who % 2 == 0);
            assert!(wears_dark_glasses(&face.photograph(Portrait::DarkGlasses)?)?, "{who}");
            assert!(!wears_dark_glasses(&face.photograph(Portrait::Good)?)?, "{who}");
            assert!(is_blotted(&Handwriting::Blotted.sample(7, who)?)?, "{who}");
            assert!(!is_blotted(&Handwriting::Good.sample(7, who)?)?, "{who}");
        }
        Ok(())
    }

    #[test]
    fn a_picture_is_the_same_each_time_and_another_for_another() -> anyhow::Result<()> {
        let photo = |who| Face::of(7, who, true).photograph(Portrait::Good);
        assert_eq!(photo(3)?, photo(3)?);
        assert_ne!(photo(3)?, photo(4)?);
        assert_ne!(photo(3)?, Face::of(7, 3, true).photograph(Portrait::Register)?);
        Ok(())
    }
}
