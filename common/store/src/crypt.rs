//! Encryption at rest: a key per case, wrapped by a key from configuration, bound to case, section and key id.
//! Erasing the case's key erases its dossier. The IIN is searchable by a keyed hash.

use crate::StoreError;
use aes_gcm::aead::{Aead as _, AeadCore as _, KeyInit as _, OsRng, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac as _};
use kezek_domain::{CaseId, Iin};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::Arc;

const NONCE: usize = 12;
/// Length of a case's key.
const KEY: usize = 32;

/// The keys from configuration.
#[derive(Clone)]
pub struct Keyring {
    current: String,
    wrapping: Arc<BTreeMap<String, Aes256Gcm>>,
    iin: [u8; 32],
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring(current {}, {} keys)", self.current, self.wrapping.len())
    }
}

/// The key of one case.
#[derive(Clone)]
pub struct CaseKey {
    case: CaseId,
    key_id: String,
    cipher: Aes256Gcm,
}

impl std::fmt::Debug for CaseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CaseKey")
    }
}

fn seal(cipher: &Aes256Gcm, plain: &[u8], bound: &str) -> Result<Vec<u8>, StoreError> {
    let nonce = Aes256Gcm::generate_nonce(&mut OsRng);
    let sealed = cipher
        .encrypt(&nonce, Payload { msg: plain, aad: bound.as_bytes() })
        .map_err(|_| StoreError::Crypt("a value could not be sealed"))?;
    let mut out = Vec::with_capacity(NONCE + sealed.len());
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    Ok(out)
}

fn open(cipher: &Aes256Gcm, sealed: &[u8], bound: &str) -> Result<Vec<u8>, StoreError> {
    let (nonce, body) = sealed.split_at_checked(NONCE).ok_or(StoreError::Crypt("a sealed value is cut short"))?;
    cipher
        .decrypt(Nonce::from_slice(nonce), Payload { msg: body, aad: bound.as_bytes() })
        .map_err(|_| StoreError::Crypt("a sealed value does not open: wrong key, or it was moved or altered"))
}

impl Keyring {
    /// The keyring of a current key id, all wrapping keys by id, and the key of the IIN hash.
    ///
    /// # Errors
    /// Where the current id is not among the keys.
    pub fn new(current: &str, keys: &BTreeMap<String, [u8; 32]>, iin: [u8; 32]) -> Result<Self, StoreError> {
        if !keys.contains_key(current) {
            return Err(StoreError::Crypt("the current key id names no key"));
        }
        let wrapping = keys.iter().map(|(id, key)| (id.clone(), Aes256Gcm::new(key.into()))).collect();
        Ok(Self { current: current.to_owned(), wrapping: Arc::new(wrapping), iin })
    }

    /// The keyed hash by which an IIN is found.
    ///
    /// # Errors
    /// Never in practice: the key's length is fixed.
    pub fn iin_hash(&self, iin: &Iin) -> Result<[u8; 32], StoreError> {
        self.digest("iin", iin.expose().as_bytes())
    }

    /// A keyed digest of a value, for places that may not hold the value itself.
    ///
    /// # Errors
    /// As [`Keyring::iin_hash`].
    pub fn digest(&self, what: &str, value: &[u8]) -> Result<[u8; 32], StoreError> {
        let mut mac =
            <Hmac<Sha256> as hmac::Mac>::new_from_slice(&self.iin).map_err(|_| StoreError::Crypt("hash key length"))?;
        mac.update(what.as_bytes());
        mac.update(&[0]);
        mac.update(value);
        Ok(mac.finalize().into_bytes().into())
    }

    /// A new key for a case, and its wrapped form to store with the key id.
    ///
    /// # Errors
    /// Where sealing fails.
    pub fn new_case_key(&self, case: CaseId) -> Result<(CaseKey, Vec<u8>, String), StoreError> {
        let key = Aes256Gcm::generate_key(&mut OsRng);
        let wrapper = self.wrapper(&self.current)?;
        let wrapped = seal(wrapper, &key, &format!("kezek/case-key/{}/{}", case.0, self.current))?;
        let case_key = CaseKey { case, key_id: self.current.clone(), cipher: Aes256Gcm::new(&key) };
        Ok((case_key, wrapped, self.current.clone()))
    }

    /// The key of a case from its wrapped form.
    ///
    /// # Errors
    /// Where the key id is unknown, or the case's key was erased or altered.
    pub fn case_key(&self, case: CaseId, key_id: &str, wrapped: Option<&[u8]>) -> Result<CaseKey, StoreError> {
        let wrapped = wrapped.ok_or(StoreError::Crypt("the case's key was erased"))?;
        let (key, bound_to) = self.unwrap(case, key_id, wrapped)?;
        let cipher = Aes256Gcm::new_from_slice(&key).map_err(|_| StoreError::Crypt("case key length"))?;
        Ok(CaseKey { case, key_id: bound_to, cipher })
    }

    /// A case's key, and the key id that its values are bound to: that of the wrapping key which it was made under. A
    /// key that was wrapped anew carries it after itself.
    fn unwrap(&self, case: CaseId, key_id: &str, wrapped: &[u8]) -> Result<(Vec<u8>, String), StoreError> {
        let mut key = open(self.wrapper(key_id)?, wrapped, &format!("kezek/case-key/{}/{key_id}", case.0))?;
        let first = key.split_off(KEY.min(key.len()));
        let bound_to = match first.as_slice() {
            [] => key_id.to_owned(),
            id => String::from_utf8(id.to_vec()).map_err(|_| StoreError::Crypt("case key length"))?,
        };
        Ok((key, bound_to))
    }

    /// A case's key wrapped anew, under the current key. What the case's key has sealed opens as before.
    ///
    /// # Errors
    /// Where the old key id is unknown, or the wrapped key was altered.
    pub fn rewrap(&self, case: CaseId, key_id: &str, wrapped: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (mut key, bound_to) = self.unwrap(case, key_id, wrapped)?;
        key.extend_from_slice(bound_to.as_bytes());
        seal(self.wrapper(&self.current)?, &key, &format!("kezek/case-key/{}/{}", case.0, self.current))
    }

    /// The id of the current wrapping key.
    #[must_use]
    pub fn current(&self) -> &str {
        &self.current
    }

    /// Whether a value of the installation lies under the current key.
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        let id = sealed.split_first().and_then(|(length, rest)| rest.get(..usize::from(*length)));
        id == Some(self.current.as_bytes())
    }

    /// Seals a value of the installation (an officer's IIN).
    ///
    /// # Errors
    /// Where sealing fails.
    pub fn seal(&self, what: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut out = vec![u8::try_from(self.current.len()).map_err(|_| StoreError::Crypt("key id too long"))?];
        out.extend_from_slice(self.current.as_bytes());
        out.extend(seal(self.wrapper(&self.current)?, plain, &format!("kezek/{what}/{}", self.current))?);
        Ok(out)
    }

    /// Opens a value of the installation.
    ///
    /// # Errors
    /// Where its key is unknown or the value was altered.
    pub fn open(&self, what: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        const CUT: StoreError = StoreError::Crypt("a sealed value is cut short");
        let (length, rest) = sealed.split_first().ok_or(CUT)?;
        let (id, body) = rest.split_at_checked(usize::from(*length)).ok_or(CUT)?;
        let id = std::str::from_utf8(id).map_err(|_| CUT)?;
        open(self.wrapper(id)?, body, &format!("kezek/{what}/{id}"))
    }

    fn wrapper(&self, id: &str) -> Result<&Aes256Gcm, StoreError> {
        self.wrapping
            .get(id)
            .ok_or(StoreError::Crypt("a value was sealed with a key id that this process does not have"))
    }
}

impl CaseKey {
    /// Seals a section or attachment; `label` binds it to its place.
    ///
    /// # Errors
    /// Where sealing fails.
    pub fn seal(&self, label: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        seal(&self.cipher, plain, &format!("kezek/v1/{}/{label}/{}", self.case.0, self.key_id))
    }
    /// Opens a section or attachment.
    ///
    /// # Errors
    /// Where it was sealed for another case, section or key, or altered.
    pub fn open(&self, label: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        open(&self.cipher, sealed, &format!("kezek/v1/{}/{label}/{}", self.case.0, self.key_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> Keyring {
        Keyring::new("k1", &BTreeMap::from([("k1".to_owned(), [7; 32])]), [9; 32]).unwrap()
    }

    #[test]
    fn a_value_opens_only_in_its_own_place() {
        let (a, b) = (CaseId(uuid::Uuid::from_u128(1)), CaseId(uuid::Uuid::from_u128(2)));
        let (key, wrapped, id) = ring().new_case_key(a).unwrap();
        let sealed = key.seal("form", b"words").unwrap();
        assert_eq!(ring().case_key(a, &id, Some(&wrapped)).unwrap().open("form", &sealed).unwrap(), b"words");
        assert!(key.open("identity", &sealed).is_err(), "another section");
        assert!(ring().case_key(b, &id, Some(&wrapped)).is_err(), "another case");
        assert!(ring().case_key(a, &id, None).is_err(), "an erased key");
        let mut altered = sealed;
        altered[20] ^= 1;
        assert!(key.open("form", &altered).is_err(), "altered");
    }

    #[test]
    fn a_case_key_that_was_wrapped_anew_opens_what_it_sealed_before_and_the_old_key_is_not_needed_any_more() {
        let case = CaseId(uuid::Uuid::from_u128(1));
        let (key, mut wrapped, mut id) = ring().new_case_key(case).unwrap();
        let before = key.seal("form", b"before").unwrap();
        // twice: to a second key, and to a third
        for (current, keys) in [("k2", [("k1", 7), ("k2", 8)]), ("k3", [("k2", 8), ("k3", 9)])] {
            let keys = keys.into_iter().map(|(id, n)| (id.to_owned(), [n; 32])).collect();
            let both = Keyring::new(current, &keys, [9; 32]).unwrap();
            wrapped = both.rewrap(case, &id, &wrapped).unwrap();
            id = current.to_owned();
        }
        let alone = Keyring::new("k3", &BTreeMap::from([("k3".to_owned(), [9; 32])]), [9; 32]).unwrap();
        let anew = alone.case_key(case, &id, Some(&wrapped)).unwrap();
        assert_eq!(anew.open("form", &before).unwrap(), b"before");
        // a process that still holds the key as it was, and one that holds it as it is, read each other
        assert_eq!(key.open("form", &anew.seal("form", b"after").unwrap()).unwrap(), b"after");
        assert!(ring().case_key(case, &id, Some(&wrapped)).is_err(), "the old key alone opens nothing");
        assert!(alone.rewrap(CaseId(uuid::Uuid::from_u128(2)), &id, &wrapped).is_err(), "another case's");
    }

    #[test]
    fn an_installation_value_survives_the_change_of_the_current_key() {
        let old = ring().seal("officer", b"x").unwrap();
        let keys = BTreeMap::from([("k1".to_owned(), [7; 32]), ("k2".to_owned(), [8; 32])]);
        let new = Keyring::new("k2", &keys, [9; 32]).unwrap();
        assert_eq!(new.open("officer", &old).unwrap(), b"x");
        assert!(new.open("other", &old).is_err());
    }
}
