//! A canvas of linear-light-free RGB floats, painted by shapes that know how far a point is inside.

use image::{Rgb, RgbImage};

/// A colour, each part 0–255.
pub(super) type Colour = [f32; 3];

/// What is painted on.
pub(super) struct Canvas {
    pub width: u32,
    pub height: u32,
    pixels: Vec<Colour>,
}

/// A rectangle of pixels: left, top, right, bottom.
pub(super) type Bounds = (f32, f32, f32, f32);

impl Canvas {
    pub fn new(width: u32, height: u32, colour: Colour) -> Self {
        Self { width, height, pixels: vec![colour; (width * height) as usize] }
    }

    /// Paints every point within the bounds: `inside` gives the distance in pixels from the edge
    /// (positive inside), `colour` the colour there, `strength` 0–1 how much of it.
    pub fn paint(
        &mut self,
        (left, top, right, bottom): Bounds,
        strength: f32,
        inside: impl Fn(f32, f32) -> f32,
        colour: impl Fn(f32, f32) -> Colour,
    ) {
        let clamp = |value: f32, most: u32| value.clamp(0.0, most as f32) as u32;
        for row in clamp(top.floor(), self.height)..clamp(bottom.ceil(), self.height) {
            for column in clamp(left.floor(), self.width)..clamp(right.ceil(), self.width) {
                let (x, y) = (column as f32 + 0.5, row as f32 + 0.5);
                let cover = (inside(x, y) + 0.5).clamp(0.0, 1.0) * strength;
                if cover > 0.0 {
                    let paint = colour(x, y);
                    let pixel = &mut self.pixels[(row * self.width + column) as usize];
                    for (old, new) in pixel.iter_mut().zip(paint) {
                        *old += (new - *old) * cover;
                    }
                }
            }
        }
    }

    /// An ellipse in one colour.
    pub fn ellipse(&mut self, (x, y): (f32, f32), (rx, ry): (f32, f32), colour: Colour, strength: f32) {
        self.paint(around(x, y, rx + 1.0, ry + 1.0), strength, ellipse(x, y, rx, ry), |_, _| colour);
    }

    /// A line through points, `width` pixels thick.
    pub fn line(&mut self, points: &[(f32, f32)], width: f32, colour: Colour, strength: f32) {
        let half = width / 2.0;
        for pair in points.windows(2) {
            if let [(ax, ay), (bx, by)] = *pair {
                let bounds = (
                    ax.min(bx) - half - 1.0,
                    ay.min(by) - half - 1.0,
                    ax.max(bx) + half + 1.0,
                    ay.max(by) + half + 1.0,
                );
                self.paint(bounds, strength, move |x, y| half - distance(x, y, (ax, ay), (bx, by)), |_, _| colour);
            }
        }
    }

    /// Changes every pixel.
    pub fn each(&mut self, mut change: impl FnMut(f32, f32, &mut Colour)) {
        let width = self.width;
        for (place, pixel) in self.pixels.iter_mut().enumerate() {
            let place = place as u32;
            change((place % width) as f32, (place / width) as f32, pixel);
        }
    }

    /// The picture.
    pub fn image(&self) -> RgbImage {
        RgbImage::from_fn(self.width, self.height, |x, y| {
            Rgb(self.pixels[(y * self.width + x) as usize].map(|part| part.clamp(0.0, 255.0).round() as u8))
        })
    }
}

pub(super) fn around(x: f32, y: f32, rx: f32, ry: f32) -> Bounds {
    (x - rx, y - ry, x + rx, y + ry)
}

pub(super) fn ellipse(cx: f32, cy: f32, rx: f32, ry: f32) -> impl Fn(f32, f32) -> f32 {
    move |x, y| {
        let (u, v) = ((x - cx) / rx, (y - cy) / ry);
        (1.0 - (u * u + v * v).sqrt()) * rx.min(ry)
    }
}

fn distance(x: f32, y: f32, (ax, ay): (f32, f32), (bx, by): (f32, f32)) -> f32 {
    let (dx, dy) = (bx - ax, by - ay);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 { (((x - ax) * dx + (y - ay) * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    ((x - ax - along * dx).powi(2) + (y - ay - along * dy).powi(2)).sqrt()
}

/// A colour made lighter (`by` above 1) or darker.
pub(super) fn times(colour: Colour, by: f32) -> Colour {
    colour.map(|part| part * by)
}

/// A smooth line through the points: eight steps from one to the next.
pub(super) fn smooth(points: &[(f32, f32)]) -> Vec<(f32, f32)> {
    let at = |place: isize| -> (f32, f32) {
        let last = points.len() as isize - 1;
        points[place.clamp(0, last) as usize]
    };
    let mut curve = Vec::with_capacity(points.len() * 8);
    for place in 0..points.len().saturating_sub(1) as isize {
        let (p0, p1, p2, p3) = (at(place - 1), at(place), at(place + 1), at(place + 2));
        for step in 0..8 {
            let t = step as f32 / 8.0;
            let mix = |a: f32, b: f32, c: f32, d: f32| {
                0.5 * (2.0 * b
                    + (c - a) * t
                    + (2.0 * a - 5.0 * b + 4.0 * c - d) * t * t
                    + (3.0 * b - a - 3.0 * c + d) * t * t * t)
            };
            curve.push((mix(p0.0, p1.0, p2.0, p3.0), mix(p0.1, p1.1, p2.1, p3.1)));
        }
    }
    curve.extend(points.last());
    curve
}
