//! Writes a sheet of portraits and signatures to a folder, to be looked at.
use kezek_sandbox::pictures::{Face, Handwriting, Portrait};

fn main() -> anyhow::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let kinds = [
        Portrait::Good,
        Portrait::Register,
        Portrait::DarkGlasses,
        Portrait::DarkBackground,
        Portrait::Blurred,
        Portrait::TooSmall,
    ];
    let mut sheet = image::RgbImage::from_pixel(6 * 250, 3 * 320 + 220, image::Rgb([90, 90, 90]));
    for who in 0..12_u64 {
        let kind = if who < 6 { Portrait::Good } else { kinds[usize::try_from(who - 6)?] };
        let face = Face::of(1, who, who % 2 == 0);
        let (column, row) = (i64::try_from(who % 6)?, i64::try_from(who / 6)?);
        let picture = image::load_from_memory(&face.photograph(kind)?)?.thumbnail(240, 310).to_rgb8();
        image::imageops::overlay(&mut sheet, &picture, column * 250, row * 320);
    }
    for who in 0..6_u64 {
        let hand = if who > 3 { Handwriting::Blotted } else { Handwriting::Good };
        let picture = image::load_from_memory(&hand.sample(1, who)?)?.thumbnail(480, 160).to_rgb8();
        image::imageops::overlay(
            &mut sheet,
            &picture,
            i64::try_from(who % 3)? * 490,
            650 + i64::try_from(who / 3)? * 170,
        );
    }
    sheet.save(format!("{folder}/sheet.png"))?;
    Ok(())
}
