//! A face, and the ways in which it is photographed.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::canvas::{Canvas, Colour, around, ellipse, smooth, times};
use super::{PORTRAIT_HEIGHT, PORTRAIT_WIDTH};
use crate::random::stream;

/// How a face is photographed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portrait {
    /// As the requirements want it.
    Good,
    /// As the register holds it: the same face on another day.
    Register,
    /// In dark glasses: passes a machine's checks, not an officer's.
    DarkGlasses,
    /// Before a dark background: fails a machine's check.
    DarkBackground,
    /// Too small: fails a machine's check.
    TooSmall,
    /// Out of focus: fails a machine's check.
    Blurred,
}

/// What makes a face this person's.
#[derive(Debug, Clone)]
pub struct Face {
    seed: u64,
    who: u64,
    female: bool,
    skin: Colour,
    hair: Colour,
    iris: Colour,
    clothes: Colour,
    width: f32,
    chin: f32,
    eyes_apart: f32,
    eyes_size: f32,
    brow: f32,
    nose: f32,
    mouth: f32,
    style: u8,
    beard: u8,
    spectacles: bool,
}

impl Face {
    /// The face of person number `who`.
    #[must_use]
    pub fn of(seed: u64, who: u64, female: bool) -> Self {
        let mut rng = stream(seed, "face", who);
        let mut pick = |choices: &[Colour]| choices[rng.random_range(0..choices.len())];
        let skin = pick(&[
            [236.0, 200.0, 172.0],
            [225.0, 184.0, 152.0],
            [214.0, 170.0, 136.0],
            [243.0, 211.0, 188.0],
            [201.0, 156.0, 122.0],
        ]);
        let hair = pick(&[
            [28.0, 24.0, 24.0],
            [40.0, 31.0, 27.0],
            [60.0, 42.0, 32.0],
            [92.0, 66.0, 46.0],
            [120.0, 116.0, 114.0],
        ]);
        let iris = pick(&[
            [52.0, 36.0, 24.0],
            [72.0, 50.0, 30.0],
            [44.0, 40.0, 38.0],
            [84.0, 92.0, 74.0],
            [74.0, 96.0, 118.0],
        ]);
        let clothes = pick(&[
            [38.0, 48.0, 74.0],
            [60.0, 60.0, 66.0],
            [96.0, 34.0, 44.0],
            [34.0, 72.0, 70.0],
            [86.0, 74.0, 60.0],
            [44.0, 60.0, 44.0],
        ]);
        Self {
            seed,
            who,
            female,
            skin,
            hair,
            iris,
            clothes,
            width: rng.random_range(0.93..1.07),
            chin: rng.random_range(0.24..0.42),
            eyes_apart: rng.random_range(62.0..74.0),
            eyes_size: rng.random_range(0.9..1.15),
            brow: rng.random_range(-4.0..5.0),
            nose: rng.random_range(0.85..1.2),
            mouth: rng.random_range(0.85..1.2),
            style: rng.random_range(0..3),
            beard: if female { 0 } else { rng.random_range(0..4) },
            spectacles: rng.random_range(0..8) == 0,
        }
    }

    /// The photograph: a JPEG, the same bytes each time.
    ///
    /// # Errors
    /// Where the encoder fails.
    pub fn photograph(&self, how: Portrait) -> anyhow::Result<Vec<u8>> {
        let mut rng = stream(self.seed, if how == Portrait::Register { "register-photo" } else { "photo" }, self.who);
        let mut canvas = Canvas::new(PORTRAIT_WIDTH, PORTRAIT_HEIGHT, [0.0; 3]);
        let grey =
            if how == Portrait::DarkBackground { rng.random_range(46.0..70.0) } else { rng.random_range(222.0..234.0) };
        canvas.each(|x, y, pixel| {
            *pixel = [grey - 1.0 - y * 0.012 + x * 0.006, grey - y * 0.012 + x * 0.006, grey + 1.5 - y * 0.010]
        });
        let shift = (rng.random_range(-4.0..4.0), rng.random_range(-3.0..3.0));
        self.draw(&mut canvas, shift, how, &mut rng);
        canvas.each(|_, _, pixel| {
            let grain = rng.random_range(-1.6..1.6_f32);
            *pixel = pixel.map(|part| part + grain);
        });
        let mut image = canvas.image();
        match how {
            Portrait::TooSmall => {
                image = image::imageops::resize(&image, 210, 270, image::imageops::FilterType::Triangle)
            }
            Portrait::Blurred => image = image::imageops::fast_blur(&image, 9.0),
            Portrait::Good | Portrait::Register | Portrait::DarkGlasses | Portrait::DarkBackground => {}
        }
        let mut bytes = Cursor::new(Vec::new());
        JpegEncoder::new_with_quality(&mut bytes, 88).encode_image(&image)?;
        Ok(bytes.into_inner())
    }

    fn draw(&self, canvas: &mut Canvas, (dx, dy): (f32, f32), how: Portrait, rng: &mut ChaCha8Rng) {
        let (cx, cy) = (240.0 + dx, 292.0 + dy);
        let (rx, ry) = (146.0 * self.width, 196.0);
        if self.female && self.style != 1 {
            self.long_hair(canvas, cx, cy, rx);
        }
        // neck and its shadow
        let skin = self.skin;
        canvas.paint(
            (cx - 70.0, cy + 110.0, cx + 70.0, cy + 285.0),
            1.0,
            |x, y| 62.0 + (y - cy - 200.0).max(0.0) * 0.25 - (x - cx).abs(),
            |_, y| times(skin, (0.74 + (y - cy - 180.0) / 600.0).clamp(0.66, 0.9)),
        );
        self.shoulders(canvas, cx, cy);
        for side in [-1.0, 1.0] {
            canvas.ellipse((cx + side * (rx - 1.0), cy + 12.0), (17.0, 38.0), times(skin, 0.88), 1.0);
            canvas.ellipse((cx + side * (rx + 3.0), cy + 12.0), (8.0, 24.0), times(skin, 0.74), 0.8);
        }
        self.head(canvas, cx, cy, rx, ry);
        self.features(canvas, cx, cy);
        self.hair(canvas, cx, cy, rx, ry, rng);
        if self.beard > 1 {
            self.beard(canvas, cx, cy, rx, rng);
        }
        match how {
            Portrait::DarkGlasses => self.glasses(canvas, cx, cy, true),
            _ if self.spectacles => self.glasses(canvas, cx, cy, false),
            Portrait::Good | Portrait::Register | Portrait::DarkBackground | Portrait::TooSmall | Portrait::Blurred => {
            }
        }
    }

    fn shoulders(&self, canvas: &mut Canvas, cx: f32, cy: f32) {
        let cloth = self.clothes;
        let top = cy + 222.0;
        canvas.paint(
            (0.0, top - 10.0, 480.0, 617.0),
            1.0,
            |x, y| {
                let across = (x - cx).abs() / 250.0;
                (y - (top + 95.0 * across * across)).min(250.0 - (x - cx).abs())
            },
            |x, y| {
                times(
                    cloth,
                    1.08 - (x - cx).abs() / 700.0 + if ((x * 0.9 + y * 0.4) as i32) % 7 < 2 { 0.05 } else { 0.0 },
                )
            },
        );
        // a light collar
        for side in [-1.0, 1.0] {
            canvas.line(
                &[(cx + side * 66.0, top - 4.0), (cx + side * 34.0, top + 58.0), (cx, top + 92.0)],
                17.0,
                [236.0, 236.0, 238.0],
                1.0,
            );
            canvas.line(
                &[(cx + side * 74.0, top + 3.0), (cx + side * 42.0, top + 66.0), (cx, top + 106.0)],
                2.0,
                times(cloth, 0.6),
                0.9,
            );
        }
    }

    fn head(&self, canvas: &mut Canvas, cx: f32, cy: f32, rx: f32, ry: f32) {
        let (skin, chin) = (self.skin, self.chin);
        let inside = move |x: f32, y: f32| {
            let v = (y - cy) / ry;
            if v.abs() >= 1.0 {
                return -1.0;
            }
            let jaw = 1.0 - chin * v.max(0.0).powf(2.2);
            rx * (1.0 - v * v).powf(0.45) * jaw - (x - cx).abs()
        };
        canvas.paint(around(cx, cy, rx + 2.0, ry + 2.0), 1.0, inside, |x, y| {
            let (u, v) = ((x - cx) / rx, (y - cy) / ry);
            let light = 1.03 - 0.20 * u.abs().powf(2.6) - 0.05 * u - 0.05 * v - 0.09 * v.max(0.0).powi(4);
            times(skin, light)
        });
        for side in [-1.0, 1.0] {
            let (x, y) = (cx + side * 78.0, cy + 62.0);
            canvas.paint(
                around(x, y, 44.0, 30.0),
                0.22,
                |px, py| ellipse(x, y, 44.0, 30.0)(px, py) / 22.0,
                |_, _| [skin[0], skin[1] * 0.82, skin[2] * 0.80],
            );
        }
    }

    fn features(&self, canvas: &mut Canvas, cx: f32, cy: f32) {
        let skin = self.skin;
        let dark = times(skin, 0.55);
        for side in [-1.0, 1.0] {
            let (x, y) = (cx + side * self.eyes_apart, cy - 12.0);
            let (w, h) = (29.0 * self.eyes_size, 12.5 * self.eyes_size);
            canvas.ellipse((x, y - 3.0), (w + 7.0, h + 9.0), times(skin, 0.86), 0.5);
            let eye = move |px: f32, py: f32| {
                let u = (px - x) / w;
                if u.abs() >= 1.0 { -1.0 } else { h * (1.0 - u * u) - (py - y).abs() }
            };
            let iris = self.iris;
            canvas.paint(around(x, y, w + 1.0, h + 1.0), 1.0, eye, |px, py| {
                let far = ((px - x).powi(2) + (py - y).powi(2)).sqrt();
                if (px - x + 4.0).powi(2) + (py - y + 4.0).powi(2) < 7.0 {
                    [250.0; 3]
                } else if far < 5.2 {
                    [14.0; 3]
                } else if far < 11.5 {
                    times(iris, 0.8 + far * 0.05)
                } else {
                    [240.0, 237.0, 233.0]
                }
            });
            let lid: Vec<_> = (0..=10)
                .map(|step| {
                    let u = step as f32 / 5.0 - 1.0;
                    (x + u * (w + 1.0), y - h * (1.0 - u * u) - 0.5)
                })
                .collect();
            canvas.line(&lid, if self.female { 5.0 } else { 3.6 }, [36.0, 26.0, 24.0], 0.95);
            let under: Vec<_> = lid.iter().map(|(px, py)| (*px, 2.0 * y - py + 0.5)).collect();
            canvas.line(&under, 1.6, dark, 0.6);
            let brow_y = y - 34.0 - self.brow;
            let brow = smooth(&[
                (x - side * 34.0, brow_y + 7.0),
                (x - side * 8.0, brow_y - 3.0),
                (x + side * 20.0, brow_y - 4.0),
                (x + side * 38.0, brow_y + 8.0),
            ]);
            canvas.line(&brow, if self.female { 6.0 } else { 9.0 }, times(self.hair, 0.9), 0.88);
        }
        // nose: one side in shade, wings, nostrils
        let tip = cy + 62.0 * self.nose;
        canvas.line(
            &smooth(&[(cx + 13.0, cy - 14.0), (cx + 16.0, cy + 26.0), (cx + 23.0, tip - 6.0)]),
            7.0,
            times(skin, 0.80),
            0.45,
        );
        for side in [-1.0, 1.0] {
            canvas.line(
                &smooth(&[
                    (cx + side * 22.0, tip - 14.0),
                    (cx + side * 27.0, tip - 2.0),
                    (cx + side * 19.0, tip + 6.0),
                ]),
                3.0,
                times(skin, 0.64),
                0.8,
            );
            canvas.ellipse((cx + side * 11.0, tip + 4.0), (6.5, 3.6), times(skin, 0.45), 0.9);
        }
        canvas.ellipse((cx - 2.0, tip - 12.0), (7.0, 9.0), times(skin, 1.1), 0.5);
        // mouth
        let (y, w) = (cy + 116.0, 46.0 * self.mouth);
        let lip = if self.female { [178.0, 84.0, 86.0] } else { [skin[0] * 0.78, skin[1] * 0.62, skin[2] * 0.60] };
        let lips = move |px: f32, py: f32| {
            let u = ((px - cx) / w).clamp(-1.0, 1.0);
            let round = 1.0 - u * u;
            let above = 9.5 * round - 3.0 * (-(u * u) * 24.0).exp();
            if py < y { above - (y - py) } else { 12.5 * round - (py - y) }
        };
        canvas.paint(around(cx, y, w, 15.0), 1.0, lips, |_, py| times(lip, if py < y { 0.9 } else { 1.05 }));
        canvas.line(
            &smooth(&[(cx - w, y), (cx - w * 0.4, y + 1.5), (cx, y), (cx + w * 0.4, y + 1.5), (cx + w, y)]),
            2.6,
            times(lip, 0.45),
            0.9,
        );
        canvas.ellipse((cx, y + 25.0), (24.0, 4.0), times(skin, 0.8), 0.5);
    }

    fn hair(&self, canvas: &mut Canvas, cx: f32, cy: f32, rx: f32, ry: f32, rng: &mut ChaCha8Rng) {
        let hair = self.hair;
        let (style, female) = (self.style, self.female);
        let line = move |x: f32| -> f32 {
            let u = (x - cx) / rx;
            let base = cy - 118.0 - if female { 4.0 } else { 0.0 };
            match style {
                0 => base + 58.0 * u * u,                          // round
                1 => base - 6.0 + 34.0 * u + 60.0 * u * u,         // parted at one side
                _ => base + 12.0 * (u * 3.0).cos() + 66.0 * u * u, // parted in the middle
            }
        };
        let cap = ellipse(cx, cy - 26.0, rx + 15.0, ry + 6.0);
        let low = if female { cy + 70.0 } else { cy - 2.0 };
        let inside = move |x: f32, y: f32| {
            let sides = ((x - cx).abs() - (rx - 12.0 - (y - (cy - 60.0)).max(0.0) * 0.06)).min(low - y);
            cap(x, y).min((line(x) - y).max(sides))
        };
        canvas.paint((cx - rx - 20.0, cy - ry - 40.0, cx + rx + 20.0, low + 2.0), 1.0, inside, |x, y| {
            let shine = (-((x - cx + 44.0) / 60.0).powi(2) - ((y - cy + 168.0) / 26.0).powi(2)).exp();
            times(hair, 1.0 + 0.7 * shine)
        });
        // strands
        for _ in 0..90 {
            let u = rng.random_range(-0.98..0.98_f32);
            let x = cx + u * rx;
            let root = cy - ry - 18.0 + 74.0 * u * u;
            let end = line(x) - rng.random_range(1.0..26.0);
            if end > root + 8.0 {
                let tone = if rng.random_range(0..2) == 0 { 0.6 } else { 1.5 };
                let lean = u * rng.random_range(4.0..16.0);
                canvas.line(
                    &smooth(&[(x - lean, root), (x, f32::midpoint(root, end)), (x + lean * 0.6, end)]),
                    1.4,
                    times(hair, tone),
                    0.5,
                );
            }
        }
    }

    fn long_hair(&self, canvas: &mut Canvas, cx: f32, cy: f32, rx: f32) {
        let hair = times(self.hair, 0.82);
        canvas.paint(
            (cx - rx - 36.0, cy - 90.0, cx + rx + 36.0, cy + 290.0),
            1.0,
            |x, y| {
                let width = rx + 20.0 + 9.0 * ((y - cy) / 46.0).sin() - (y - cy - 190.0).max(0.0) * 0.5;
                (width - (x - cx).abs()).min(y - cy + 90.0)
            },
            |x, y| times(hair, if ((x + (y * 0.05).sin() * 6.0) as i32) % 9 < 3 { 1.14 } else { 1.0 }),
        );
    }

    fn beard(&self, canvas: &mut Canvas, cx: f32, cy: f32, rx: f32, rng: &mut ChaCha8Rng) {
        let colour = times(self.hair, 0.95);
        let full = self.beard == 3;
        for _ in 0..if full { 900 } else { 240 } {
            let (x, y) = if full {
                let u = rng.random_range(-0.8..0.8_f32);
                (cx + u * rx, cy + 196.0 - rng.random_range(8.0..52.0) - 92.0 * u * u)
            } else {
                (cx + rng.random_range(-46.0..46.0), cy + rng.random_range(88.0..101.0))
            };
            canvas.line(&[(x, y), (x + rng.random_range(-3.0..3.0), y + rng.random_range(4.0..9.0))], 1.5, colour, 0.6);
        }
    }

    fn glasses(&self, canvas: &mut Canvas, cx: f32, cy: f32, dark: bool) {
        let frame: Colour = [24.0, 22.0, 24.0];
        for side in [-1.0, 1.0] {
            let (x, y) = (cx + side * self.eyes_apart, cy - 10.0);
            let lens = move |px: f32, py: f32| {
                let (u, v) = (((px - x) / 54.0).abs(), ((py - y) / 39.0).abs());
                (1.0 - (u.powf(2.8) + v.powf(2.8)).powf(1.0 / 2.8)) * 39.0
            };
            if dark {
                canvas.paint(around(x, y, 56.0, 42.0), 0.97, lens, |px, py| {
                    let shine = if (px - x + (py - y) * 0.8 + 22.0).abs() < 5.0 { 34.0 } else { 0.0 };
                    [20.0 + shine, 21.0 + shine, 26.0 + shine]
                });
            }
            let rim = if dark { 5.0 } else { 3.0 };
            canvas.paint(around(x, y, 58.0, 44.0), 1.0, move |px, py| rim - lens(px, py).abs(), |_, _| frame);
            canvas.line(&[(x + side * 53.0, y - 10.0), (cx + side * 147.0, y - 6.0)], 5.0, frame, 1.0);
        }
        let inner = self.eyes_apart - 53.0;
        canvas.line(&smooth(&[(cx - inner, cy - 16.0), (cx, cy - 23.0), (cx + inner, cy - 16.0)]), 5.0, frame, 1.0);
    }
}
