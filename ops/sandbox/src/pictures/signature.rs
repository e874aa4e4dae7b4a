//! A person's hand: a signature sample in dark strokes on white.

use std::io::Cursor;

use image::ImageFormat;
use rand::Rng as _;

use super::canvas::{Canvas, smooth};
use super::{SIGNATURE_HEIGHT, SIGNATURE_WIDTH};
use crate::random::stream;

/// Whose signature, and how it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handwriting {
    /// A clear sample.
    Good,
    /// Under a heavy blot and struck through: passes a machine's checks, not an officer's.
    Blotted,
    /// Nothing but a dot: fails a machine's check.
    Blank,
}

impl Handwriting {
    /// The sample: a PNG, the same bytes each time.
    ///
    /// # Errors
    /// Where the encoder fails.
    pub fn sample(self, seed: u64, who: u64) -> anyhow::Result<Vec<u8>> {
        let mut rng = stream(seed, "signature", who);
        let mut canvas = Canvas::new(SIGNATURE_WIDTH, SIGNATURE_HEIGHT, [254.0, 254.0, 253.0]);
        let ink = [rng.random_range(16.0..40.0), rng.random_range(20.0..44.0), rng.random_range(60.0..130.0)];
        if self == Self::Blank {
            canvas.ellipse((300.0, 100.0), (2.0, 2.0), ink, 1.0);
        } else {
            let letters = rng.random_range(6..11_usize);
            let step = 400.0 / letters as f32;
            let middle = rng.random_range(96.0..112.0);
            let lean = rng.random_range(0.3..0.8);
            let mut points = vec![(58.0, middle + 26.0)];
            for letter in 0..letters {
                let x = 78.0 + letter as f32 * step;
                let tall = if letter == 0 { 66.0 } else { rng.random_range(8.0..34.0) };
                let deep = if letter == 0 { 40.0 } else { rng.random_range(4.0..26.0) };
                points.push((x + tall * lean, middle - tall));
                points.push((x + step * 0.45, middle - tall * 0.35));
                points.push((x + step * 0.30 - deep * lean, middle + deep));
                if rng.random_range(0..3) == 0 {
                    points.push((x + step * 0.75, middle + deep * 0.2));
                }
            }
            points.push((520.0, middle - 18.0));
            let curve = smooth(&points);
            let count = curve.len() as f32;
            for (place, pair) in curve.windows(2).enumerate() {
                // the pen is heavier where it goes down
                let down = pair[1].1 > pair[0].1;
                let width = if down { 5.4 } else { 3.2 } - 1.2 * (place as f32 / count);
                canvas.line(pair, width, ink, 0.97);
            }
            let under = rng.random_range(0..2) == 0;
            if under {
                let flourish = smooth(&[
                    (516.0, middle - 10.0),
                    (440.0, middle + 48.0),
                    (250.0, middle + 54.0),
                    (120.0, middle + 50.0),
                    (330.0, middle + 42.0),
                ]);
                canvas.line(&flourish, 3.0, ink, 0.95);
            }
            if self == Self::Blotted {
                let at = (rng.random_range(240.0..330.0), rng.random_range(92.0..108.0));
                canvas.ellipse(at, (58.0, 44.0), ink, 1.0);
                for _ in 0..16 {
                    let angle = rng.random_range(0.0..std::f32::consts::TAU);
                    let far = rng.random_range(0.8..1.25_f32);
                    let size = rng.random_range(4.0..13.0);
                    canvas.ellipse(
                        (at.0 + angle.cos() * 58.0 * far, at.1 + angle.sin() * 44.0 * far),
                        (size, size),
                        ink,
                        1.0,
                    );
                }
                canvas.line(&[(90.0, 62.0), (500.0, 128.0)], 8.0, ink, 1.0);
                canvas.line(&[(96.0, 134.0), (494.0, 70.0)], 8.0, ink, 1.0);
            }
        }
        let mut bytes = Cursor::new(Vec::new());
        canvas.image().write_to(&mut bytes, ImageFormat::Png)?;
        Ok(bytes.into_inner())
    }
}
