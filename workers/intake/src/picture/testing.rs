//! Pictures painted for tests: a head before a background, a pen's stroke.

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use std::io::Cursor;

/// How a portrait is painted.
#[derive(Clone, Copy)]
pub struct Paint {
    /// Light of the background, 0–255.
    pub background: u8,
    /// How much darker every other broad stripe of the background is.
    pub stripes: u8,
    /// Light of the face.
    pub face: u8,
    /// Without edges.
    pub blurred: bool,
    /// Without colour.
    pub grey: bool,
}

impl Default for Paint {
    fn default() -> Self {
        Self { background: 225, stripes: 0, face: 180, blurred: false, grey: false }
    }
}

/// A good portrait.
pub fn portrait(width: u32, height: u32) -> Vec<u8> {
    painted(width, height, Paint::default())
}

/// A portrait painted as told.
pub fn painted(width: u32, height: u32, paint: Paint) -> Vec<u8> {
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let u = (f64::from(x) / f64::from(width) - 0.5) / 0.32;
        let v = (f64::from(y) / f64::from(height) - 0.5) / 0.40;
        let far = (u * u + v * v).sqrt();
        // what blurred means here: one slow slope instead of edges
        let inside = if paint.blurred { (1.6 - far).clamp(0.0, 1.0) } else { f64::from(u8::from(far < 1.0)) };
        let hatch = if !paint.blurred && far < 0.8 && (x / 3 + y / 5) % 4 == 0 { 60.0 } else { 0.0 };
        let stripe = if (x / 9) % 2 == 0 { f64::from(paint.stripes) } else { 0.0 };
        let back = f64::from(paint.background) - stripe;
        let mix = |face: f64| (back + (face - hatch - back) * inside).clamp(0.0, 255.0) as u8;
        let face = f64::from(paint.face);
        if paint.grey { Rgb([mix(face); 3]) } else { Rgb([mix(face), mix(face * 0.8), mix(face * 0.65)]) }
    });
    let mut bytes = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&picture).unwrap();
    bytes.into_inner()
}

/// What is on the paper.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    Written,
    WrittenOnNothing,
    Nothing,
    Blot,
    OverTheEdge,
    Narrow,
}

/// A specimen signature.
pub fn signature(width: u32, height: u32, stroke: Stroke) -> Vec<u8> {
    let paper = if stroke == Stroke::WrittenOnNothing { Rgba([0, 0, 0, 0]) } else { Rgba([254, 254, 253, 255]) };
    let (w, h) = (f64::from(width), f64::from(height));
    let picture = RgbaImage::from_fn(width, height, |x, y| {
        let (x, y) = (f64::from(x), f64::from(y));
        let pen = |from: f64, to: f64| {
            let line = h / 2.0 + (x / w * 40.0).sin() * h * 0.25;
            x >= from * w && x <= to * w && (y - line).abs() < 4.0
        };
        let ink = match stroke {
            Stroke::Nothing => (x - w / 2.0).abs() < 2.0 && (y - h / 2.0).abs() < 2.0,
            Stroke::Blot => (x - w / 2.0).abs() < w * 0.4 && (y - h / 2.0).abs() < h * 0.4,
            Stroke::OverTheEdge => pen(0.0, 0.8),
            Stroke::Narrow => pen(0.45, 0.60),
            Stroke::Written | Stroke::WrittenOnNothing => pen(0.1, 0.9),
        };
        if ink { Rgba([20, 20, 90, 255]) } else { paper }
    });
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}
