//! The population's pictures against the limits of the law, measured here independently.

use jiff::civil::date;
use kezek_domain::rules::Rules;
use kezek_sandbox::{Plan, Population};

struct Measured {
    corners: (f64, f64),
    clipped: f64,
    sharpness: f64,
    spread: f64,
}

fn moments(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values: Vec<_> = values.collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count)
}

fn measure(photo: &image::RgbImage) -> Measured {
    let grey = image::imageops::grayscale(photo);
    let (width, height) = grey.dimensions();
    let at = |x: u32, y: u32| f64::from(grey.get_pixel(x, y).0[0]);
    let corner = |from: u32| {
        moments((0..height / 8).flat_map(move |y| (from..from + width / 8).map(move |x| (x, y))).map(|(x, y)| at(x, y)))
    };
    let (left, right) = (corner(0), corner(width - width / 8));
    let clipped = grey.pixels().filter(|pixel| matches!(pixel.0[0], 0..=2 | 253..=255)).count() as f64
        / f64::from(width * height);
    let edges = (1..height - 1)
        .flat_map(|y| (1..width - 1).map(move |x| (x, y)))
        .map(|(x, y)| at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4.0 * at(x, y));
    let spread = moments(photo.pixels().map(|pixel| {
        let [red, green, blue] = pixel.0;
        f64::from(red.max(green).max(blue) - red.min(green).min(blue))
    }))
    .0;
    Measured {
        corners: (left.0.min(right.0), left.1.max(right.1).sqrt()),
        clipped,
        sharpness: moments(edges).1,
        spread,
    }
}

#[test]
fn a3_10_every_photograph_passes_or_fails_as_planned() {
    let limits = &Rules::built_in().pictures().photo;
    let people = Population::new(3, 140, date(2025, 9, 2));
    for person in people.people() {
        let bytes = person.photograph().unwrap();
        let photo = image::load_from_memory(&bytes).unwrap().to_rgb8();
        let seen = measure(&photo);
        let fits = photo.width() >= limits.min_width
            && photo.height() >= limits.min_height
            && limits.ratio_fits(photo.width(), photo.height())
            && bytes.len() as u64 <= limits.max_bytes
            && seen.corners.0 >= f64::from(limits.background_min_luma)
            && seen.corners.1 <= f64::from(limits.background_max_deviation)
            && seen.clipped * 1000.0 <= f64::from(limits.clipped_max_permille)
            && seen.spread >= f64::from(limits.min_colour_spread)
            && seen.sharpness >= f64::from(limits.min_sharpness) * 2.0;
        assert_eq!(
            fits,
            person.plan != Plan::PhotoUnfit,
            "{person:?}: {:?} clipped {} sharpness {}",
            seen.corners,
            seen.clipped,
            seen.sharpness
        );
    }
}

#[test]
fn a3_9_every_signature_passes_the_machine_blotted_or_not() {
    let limits = &Rules::built_in().pictures().signature;
    let people = Population::new(3, 140, date(2025, 9, 2));
    for person in people.people() {
        let bytes = person.signature().unwrap();
        let grey = image::load_from_memory(&bytes).unwrap().to_luma8();
        let ink: Vec<_> = grey
            .enumerate_pixels()
            .filter(|(_, _, pixel)| pixel.0[0] < limits.ink_luma)
            .map(|(x, y, _)| (x, y))
            .collect();
        let share = ink.len() as u64 * 1000 / u64::from(grey.width() * grey.height());
        let (left, right) = (ink.iter().map(|(x, _)| *x).min().unwrap(), ink.iter().map(|(x, _)| *x).max().unwrap());
        assert!(
            share >= u64::from(limits.min_ink_permille) * 2 && share <= u64::from(limits.max_ink_permille) * 4 / 5,
            "{person:?}: {share}"
        );
        assert!((right - left) * 1000 / grey.width() >= limits.min_box_width_permille, "{person:?}");
        let margin = limits.border_pixels + 2;
        let inside = ink
            .iter()
            .all(|(x, y)| *x >= margin && *y >= margin && *x < grey.width() - margin && *y < grey.height() - margin);
        assert!(inside, "{person:?} touches the border");
        assert!(bytes.len() as u64 <= limits.max_bytes);
    }
}
