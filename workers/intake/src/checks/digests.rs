//! A3.9, A3.12: what was signed is what was sent: the form is the signed one, and the pictures are those whose
//! digests it names.

use crate::sheet::Verdict;
use kezek_domain::IinProfile;
use kezek_domain::dossier::Form;
use kezek_domain::rules::Refusal;
use sha2::{Digest, Sha256};

/// SHA-256 in lower-case hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Whether form, photograph and sample are the ones that the signed bytes speak of.
#[must_use]
pub fn judge(form: &Form, signed: &[u8], photo: &[u8], sample: &[u8]) -> Verdict {
    let failed = |detail| Verdict::Failed(Refusal::SignatureInvalid, detail);
    // which centuries are admitted was decided at the door; here the bytes are compared
    if Form::read(signed, IinProfile::Demo).as_ref() != Ok(form) {
        failed("form-differs")
    } else if sha256_hex(photo) != form.photo_sha256 {
        failed("photo-differs")
    } else if sha256_hex(sample) != form.signature_sha256 {
        failed("sample-differs")
    } else {
        Verdict::Passed("as-signed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::form;

    #[test]
    fn a3_9_a8_what_was_signed_is_what_was_sent() {
        let (photo, sample) = (b"photo".as_slice(), b"sample".as_slice());
        let mut form = form();
        form.photo_sha256 = sha256_hex(photo);
        form.signature_sha256 = sha256_hex(sample);
        let signed = serde_json::to_vec(&form).unwrap();
        assert_eq!(judge(&form, &signed, photo, sample), Verdict::Passed("as-signed"));
        let failed = |detail| Verdict::Failed(Refusal::SignatureInvalid, detail);
        assert_eq!(judge(&form, &signed, b"other", sample), failed("photo-differs"));
        assert_eq!(judge(&form, &signed, photo, b"other"), failed("sample-differs"));
        form.registration_point = "another-point".to_owned();
        assert_eq!(judge(&form, &signed, photo, sample), failed("form-differs"));
    }
}
