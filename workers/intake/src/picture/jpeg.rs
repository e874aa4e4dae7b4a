//! A JPEG's outline, read marker by marker before any pixel is decoded.
//!
//! Decoders forgive: a cut file is filled with grey, bytes after the end are ignored, a giant is allocated. The
//! walk refuses the first two and tells the size of the third.

use exif::{In, Tag};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// What the container says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Bits for each component.
    pub bits: u8,
    /// Components: 3 is colour.
    pub channels: u8,
    /// Whether a viewer shows it as it is stored (EXIF orientation absent or 1).
    pub upright: bool,
}

/// Why bytes are not a JPEG that anybody should decode: a closed-set word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJpeg(pub &'static str);

const START: u8 = 0xD8;
const END: u8 = 0xD9;
const SCAN: u8 = 0xDA;
const EXIF: u8 = 0xE1;

/// Walks the markers from the first byte to the last.
///
/// # Errors
/// Where the bytes do not start as a JPEG, end early, go on after the end, or use a coding other than baseline,
/// extended or progressive Huffman with 8 bits.
pub fn outline(bytes: &[u8]) -> Result<Outline, NotJpeg> {
    if bytes.get(..2) != Some(&[0xFF, START]) {
        return Err(NotJpeg("not-jpeg"));
    }
    let mut at = 2;
    let mut frame: Option<(u32, u32, u8, u8)> = None;
    let mut upright = true;
    loop {
        let marker = marker(bytes, &mut at)?;
        if marker == END {
            if at != bytes.len() {
                return Err(NotJpeg("trailing-data"));
            }
            let (width, height, bits, channels) = frame.ok_or(NotJpeg("malformed"))?;
            return Ok(Outline { width, height, bits, channels, upright });
        }
        let segment = segment(bytes, &mut at)?;
        match marker {
            // baseline, extended, progressive
            0xC0..=0xC2 => {
                if frame.is_some() {
                    return Err(NotJpeg("malformed"));
                }
                frame = Some(frame_of(segment)?);
            }
            // lossless, hierarchical and arithmetic codings; C4, C8 and CC are tables
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => return Err(NotJpeg("unsupported-coding")),
            EXIF => upright &= is_upright(segment),
            SCAN => skip_scan(bytes, &mut at)?,
            // START again, restart markers and TEM carry no length: outside a scan they are out of place
            START | 0xD0..=0xD7 | 0x01 | 0x00 => return Err(NotJpeg("malformed")),
            _ => {}
        }
    }
}

/// The picture without what it tells beside itself: where and with what it was taken, previews, comments. The pixels
/// are not touched; the colour profile and what a decoder needs stay. A picture that EXIF would turn was refused before.
///
/// # Errors
/// As [`outline`].
pub fn stripped(bytes: &[u8]) -> Result<Vec<u8>, NotJpeg> {
    if bytes.get(..2) != Some(&[0xFF, START]) {
        return Err(NotJpeg("not-jpeg"));
    }
    let mut out = vec![0xFF, START];
    let mut at = 2;
    loop {
        let from = at;
        let marker = marker(bytes, &mut at)?;
        if marker != END {
            segment(bytes, &mut at)?;
        }
        if marker == SCAN {
            skip_scan(bytes, &mut at)?;
        }
        // JFIF, ICC profile and Adobe's colour transform stay
        let tells = matches!(marker, 0xE1 | 0xE3..=0xED | 0xEF | 0xFE);
        if !tells {
            out.extend_from_slice(bytes.get(from..at).ok_or(NotJpeg("truncated"))?);
        }
        if marker == END {
            return Ok(out);
        }
    }
}

/// Decodes to RGB, strictly: what the outline promised is what must be there.
///
/// # Errors
/// Where the decoder finds a fault.
pub fn decode_rgb(bytes: &[u8], outline: &Outline) -> Result<Vec<u8>, NotJpeg> {
    let (width, height) = (outline.width as usize, outline.height as usize);
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(width)
        .set_max_height(height)
        .jpeg_set_max_scans(64)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let pixels = decoder.decode().map_err(|_| NotJpeg("undecodable"))?;
    if pixels.len() == width * height * 3 { Ok(pixels) } else { Err(NotJpeg("undecodable")) }
}

fn marker(bytes: &[u8], at: &mut usize) -> Result<u8, NotJpeg> {
    if *bytes.get(*at).ok_or(NotJpeg("truncated"))? != 0xFF {
        return Err(NotJpeg("malformed"));
    }
    // any number of fill bytes may stand before a marker
    while bytes.get(*at) == Some(&0xFF) {
        *at += 1;
    }
    let marker = *bytes.get(*at).ok_or(NotJpeg("truncated"))?;
    *at += 1;
    Ok(marker)
}

fn segment<'b>(bytes: &'b [u8], at: &mut usize) -> Result<&'b [u8], NotJpeg> {
    let length = bytes.get(*at..*at + 2).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])));
    let length = length.ok_or(NotJpeg("truncated"))?;
    if length < 2 {
        return Err(NotJpeg("malformed"));
    }
    let segment = bytes.get(*at + 2..*at + length).ok_or(NotJpeg("truncated"))?;
    *at += length;
    Ok(segment)
}

fn frame_of(segment: &[u8]) -> Result<(u32, u32, u8, u8), NotJpeg> {
    let &[precision, h1, h0, w1, w0, channels, ..] = segment else { return Err(NotJpeg("malformed")) };
    if precision != 8 {
        return Err(NotJpeg("unsupported-coding"));
    }
    let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
    Ok((side(w1, w0), side(h1, h0), precision, channels))
}

/// Stands behind the scan's entropy-coded bytes, at the next marker.
fn skip_scan(bytes: &[u8], at: &mut usize) -> Result<(), NotJpeg> {
    while let Some(rest) = bytes.get(*at..*at + 2) {
        match rest {
            // a stuffed FF, or a restart marker: still the scan
            [0xFF, 0x00 | 0xD0..=0xD7] => *at += 2,
            [0xFF, 0xFF] => *at += 1,
            [0xFF, _] => return Ok(()),
            _ => *at += 1,
        }
    }
    Err(NotJpeg("truncated"))
}

fn is_upright(segment: &[u8]) -> bool {
    let Some(tiff) = segment.strip_prefix(b"Exif\0\0") else { return true };
    // metadata that cannot be read turns nothing
    let Ok(read) = exif::Reader::new().read_raw(tiff.to_vec()) else { return true };
    read.get_field(Tag::Orientation, In::PRIMARY).and_then(|f| f.value.get_uint(0)).is_none_or(|o| o <= 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::testing::portrait;

    #[test]
    fn a3_10_the_outline_of_a_whole_picture_is_read_without_decoding() {
        let whole = portrait(450, 579);
        assert_eq!(outline(&whole), Ok(Outline { width: 450, height: 579, bits: 8, channels: 3, upright: true }));
    }

    #[test]
    fn a3_10_a_cut_picture_and_one_with_a_rider_are_refused() {
        let whole = portrait(450, 579);
        assert_eq!(outline(&whole[..whole.len() * 6 / 10]), Err(NotJpeg("truncated")));
        let mut ridden = whole;
        ridden.extend_from_slice(b"PK\x03\x04");
        assert_eq!(outline(&ridden), Err(NotJpeg("trailing-data")));
        assert_eq!(outline(b"\x89PNG\r\n"), Err(NotJpeg("not-jpeg")));
        assert_eq!(outline(&[]), Err(NotJpeg("not-jpeg")));
    }

    #[test]
    fn a3_10_a_picture_turned_by_metadata_is_not_upright() {
        let mut turned = portrait(450, 579);
        // big-endian TIFF with one entry: Orientation = 6
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
        let mut app1 = vec![0xFF, 0xE1];
        app1.extend_from_slice(&u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
        app1.append(&mut exif);
        turned.splice(2..2, app1);
        assert!(!outline(&turned).unwrap().upright);
        // what would turn it, and say where it was taken, is gone; the picture is the same
        let plain = stripped(&turned).unwrap();
        assert_eq!(plain, portrait(450, 579));
        assert!(outline(&plain).unwrap().upright);
    }

    #[test]
    fn a3_10_a_picture_is_stripped_of_what_it_tells_beside_itself_and_of_nothing_else() {
        let whole = portrait(450, 579);
        let mut telling = whole.clone();
        let segment = |marker: u8, text: &[u8]| {
            let mut out = vec![0xFF, marker];
            out.extend_from_slice(&u16::try_from(text.len() + 2).unwrap().to_be_bytes());
            out.extend_from_slice(text);
            out
        };
        let kept = segment(0xE2, b"ICC_PROFILE\0\x01\x01");
        let beside: Vec<u8> = [segment(0xFE, b"by my camera"), segment(0xED, b"Photoshop 3.0"), kept.clone()].concat();
        telling.splice(2..2, beside);
        let mut wanted = whole;
        wanted.splice(2..2, kept);
        assert_eq!(stripped(&telling), Ok(wanted.clone()));
        assert_eq!(stripped(&wanted), Ok(wanted));
        assert_eq!(stripped(b"no picture"), Err(NotJpeg("not-jpeg")));
    }

    #[test]
    fn any_prefix_of_a_picture_is_refused_and_never_panics() {
        let whole = portrait(70, 90);
        for cut in 0..whole.len() {
            assert!(outline(&whole[..cut]).is_err(), "cut at {cut}");
        }
    }
}
