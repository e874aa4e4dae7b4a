//! What the pixels of a picture measure, on luminance alone: light, evenness, sharpness. Explainable numbers, not
//! an opinion about faces.

/// Luminance of a picture, 0 (black) to 255 (white), row by row.
#[derive(Clone, Debug)]
pub struct Grey {
    width: usize,
    height: usize,
    light: Vec<u8>,
}

/// Mean and variance of a patch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Patch {
    /// Mean luminance, 0–255.
    pub mean: f64,
    /// Variance of luminance, 0–16256.
    pub variance: f64,
}

impl Grey {
    /// From RGB bytes, three for each pixel.
    #[must_use]
    pub fn of_rgb(pixels: &[u8], width: u32, height: u32) -> Self {
        let light = pixels
            .chunks_exact(3)
            .map(|p| {
                let sum = 299 * u32::from(p[0]) + 587 * u32::from(p[1]) + 114 * u32::from(p[2]);
                u8::try_from(sum / 1000).unwrap_or(u8::MAX)
            })
            .collect();
        Self { width: width as usize, height: height as usize, light }
    }

    /// The two upper corners, an eighth of the width and height each: where the background must show.
    #[must_use]
    pub fn upper_corners(&self) -> [Patch; 2] {
        let (w, h) = ((self.width / 8).max(1), (self.height / 8).max(1));
        [self.patch(0, w, h), self.patch(self.width.saturating_sub(w), w, h)]
    }

    /// Share of pixels that are nearly black or nearly white, 0–1.
    #[must_use]
    pub fn clipped(&self) -> f64 {
        share(self.light.iter().filter(|l| matches!(l, 0..=2 | 253..=255)).count(), self.light.len())
    }

    /// Variance of the Laplacian on a copy of fixed height, so that the number does not depend on the picture's size:
    /// low is blurred.
    #[must_use]
    pub fn sharpness(&self) -> f64 {
        const ROWS: usize = 450;
        let small = if self.height > ROWS { self.shrunk(self.width * ROWS / self.height, ROWS) } else { self.clone() };
        let (w, h) = (small.width, small.height);
        if w < 3 || h < 3 {
            return 0.0;
        }
        let at = |x: usize, y: usize| f64::from(small.light[y * w + x]);
        let edges: Vec<f64> = (1..h - 1)
            .flat_map(|y| (1..w - 1).map(move |x| (x, y)))
            .map(|(x, y)| at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4.0 * at(x, y))
            .collect();
        moments(&edges).variance
    }

    fn patch(&self, left: usize, w: usize, h: usize) -> Patch {
        let light: Vec<f64> =
            (0..h).flat_map(|y| self.light.iter().skip(y * self.width + left).take(w)).map(|l| f64::from(*l)).collect();
        moments(&light)
    }

    /// A smaller copy, each pixel the mean of those it stands for.
    fn shrunk(&self, width: usize, height: usize) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let mut light = Vec::with_capacity(width * height);
        for y in 0..height {
            let rows = y * self.height / height..((y + 1) * self.height / height).max(y * self.height / height + 1);
            for x in 0..width {
                let columns = x * self.width / width..((x + 1) * self.width / width).max(x * self.width / width + 1);
                let count = rows.len() * columns.len();
                let sum: usize = rows
                    .clone()
                    .map(|r| {
                        self.light[r * self.width..][columns.clone()].iter().map(|l| usize::from(*l)).sum::<usize>()
                    })
                    .sum();
                light.push(u8::try_from(sum / count).unwrap_or(u8::MAX));
            }
        }
        Self { width, height, light }
    }
}

/// `part` of `whole`; nothing of nothing is nothing.
#[expect(clippy::cast_precision_loss, reason = "counts of pixels are far below 2^52")]
#[must_use]
pub fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn moments(values: &[f64]) -> Patch {
    if values.is_empty() {
        return Patch { mean: 0.0, variance: 0.0 };
    }
    let one = share(1, values.len());
    let mean = values.iter().sum::<f64>() * one;
    Patch { mean, variance: values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() * one }
}
