//! ChaCha20-Poly1305 with one key: OpenSSL's where this was built with it, which is
//! almost twice as fast as ring's where the processor has AVX-512; else ring's.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, UnboundKey};

use crate::FormatError;
use crate::stream::TAG;

/// A number that is used once with a key.
pub type Nonce = [u8; 12];

/// Whose cipher it is.
enum Maker {
    #[cfg(feature = "openssl")]
    OpenSsl(openssl::cipher_ctx::CipherCtx),
    Ring(Box<LessSafeKey>),
}

impl Maker {
    fn ring(key: &[u8; 32]) -> Result<Self, FormatError> {
        let refused = |_| FormatError::Failed { what: "using the payload key", detail: "the cipher refused it".into() };
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(refused)?;
        Ok(Self::Ring(Box::new(LessSafeKey::new(key))))
    }
}

/// Seals, in place.
pub struct Sealing(Maker);

impl Sealing {
    /// With this key. An OpenSSL whose administrator allows no ChaCha20 makes way for ring.
    pub fn new(key: &[u8; 32]) -> Result<Self, FormatError> {
        #[cfg(feature = "openssl")]
        if let Some(context) = by_openssl::sealing(key) {
            return Ok(Self(Maker::OpenSsl(context)));
        }
        Maker::ring(key).map(Self)
    }

    /// Seals `plain`; the tag.
    pub fn seal(&mut self, nonce: Nonce, plain: &mut [u8]) -> Option<[u8; TAG]> {
        match &mut self.0 {
            #[cfg(feature = "openssl")]
            Maker::OpenSsl(context) => by_openssl::seal(context, nonce, plain),
            Maker::Ring(key) => {
                let nonce = ring::aead::Nonce::assume_unique_for_key(nonce);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), plain).ok()?;
                tag.as_ref().try_into().ok()
            }
        }
    }
}

/// Opens, in place.
pub struct Opening(Maker);

impl Opening {
    /// With this key; by OpenSSL or ring, as [`Sealing::new`] says.
    pub fn new(key: &[u8; 32]) -> Result<Self, FormatError> {
        #[cfg(feature = "openssl")]
        if let Some(context) = by_openssl::opening(key) {
            return Ok(Self(Maker::OpenSsl(context)));
        }
        Maker::ring(key).map(Self)
    }

    /// Opens `sealed`, which ends with its tag; the plaintext. Nothing where the tag is
    /// not that of the rest: then `sealed` holds no plaintext either.
    pub fn open<'s>(&mut self, nonce: Nonce, sealed: &'s mut [u8]) -> Option<&'s mut [u8]> {
        match &mut self.0 {
            #[cfg(feature = "openssl")]
            Maker::OpenSsl(context) => by_openssl::open(context, nonce, sealed),
            Maker::Ring(key) => {
                let nonce = ring::aead::Nonce::assume_unique_for_key(nonce);
                key.open_in_place(nonce, Aad::empty(), sealed).ok()
            }
        }
    }
}

#[cfg(feature = "openssl")]
mod by_openssl {
    use openssl::cipher::Cipher;
    use openssl::cipher_ctx::CipherCtx;
    use zeroize::Zeroize as _;

    use super::Nonce;
    use crate::stream::TAG;

    pub fn sealing(key: &[u8; 32]) -> Option<CipherCtx> {
        let mut context = CipherCtx::new().ok()?;
        context.encrypt_init(Some(Cipher::chacha20_poly1305()), Some(key), None).ok()?;
        Some(context)
    }

    pub fn opening(key: &[u8; 32]) -> Option<CipherCtx> {
        let mut context = CipherCtx::new().ok()?;
        context.decrypt_init(Some(Cipher::chacha20_poly1305()), Some(key), None).ok()?;
        Some(context)
    }

    pub fn seal(context: &mut CipherCtx, nonce: Nonce, plain: &mut [u8]) -> Option<[u8; TAG]> {
        context.encrypt_init(None, None, Some(&nonce)).ok()?;
        let len = plain.len();
        context.cipher_update_inplace(plain, len).ok()?;
        context.cipher_final(&mut []).ok()?;
        let mut tag = [0; TAG];
        context.tag(&mut tag).ok()?;
        Some(tag)
    }

    pub fn open<'s>(context: &mut CipherCtx, nonce: Nonce, sealed: &'s mut [u8]) -> Option<&'s mut [u8]> {
        let (text, tag) = sealed.split_at_mut(sealed.len().checked_sub(TAG)?);
        context.decrypt_init(None, None, Some(&nonce)).ok()?;
        context.set_tag(tag).ok()?;
        let len = text.len();
        let opened = context.cipher_update_inplace(text, len).and_then(|_| context.cipher_final(&mut []));
        if opened.is_err() {
            // It is opened before its tag is known to be wrong.
            text.zeroize();
            return None;
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_words::{Rng as _, SeededRng};

    fn seals(key: &[u8; 32]) -> [Sealing; 2] {
        [Sealing::new(key).unwrap(), Sealing(Maker::ring(key).unwrap())]
    }

    fn opens(key: &[u8; 32]) -> [Opening; 2] {
        [Opening::new(key).unwrap(), Opening(Maker::ring(key).unwrap())]
    }

    #[cfg(feature = "openssl")]
    #[test]
    fn openssl_is_what_is_used_where_it_is_built_in() {
        assert!(matches!(Sealing::new(&[1; 32]), Ok(Sealing(Maker::OpenSsl(_)))));
        assert!(matches!(Opening::new(&[1; 32]), Ok(Opening(Maker::OpenSsl(_)))));
    }

    #[test]
    fn every_cipher_makes_the_same_bytes_and_opens_those_of_the_others() {
        let mut rng = SeededRng::new(4);
        let key: [u8; 32] = rng.bytes();
        // The same contexts for all, as for the segments of one payload.
        let (mut seals, mut opens) = (seals(&key), opens(&key));
        for len in [0usize, 1, 15, 16, 17, 63, 64, 65, 255, 256, 1000, 4096, 65_535, 65_536] {
            let nonce: Nonce = rng.bytes();
            let mut plain = vec![0; len];
            rng.fill(&mut plain);
            let made = seals.each_mut().map(|seal| {
                let mut sealed = plain.clone();
                let tag = seal.seal(nonce, &mut sealed).unwrap();
                sealed.extend_from_slice(&tag);
                sealed
            });
            assert_eq!(made[0], made[1], "{len}");
            for open in &mut opens {
                assert_eq!(open.open(nonce, &mut made[0].clone()).unwrap(), plain, "{len}");
            }
        }
    }

    #[test]
    fn what_was_touched_is_not_opened_and_the_next_is() {
        let (key, nonce) = ([5; 32], [6; 12]);
        let mut good = vec![7; 1000];
        let tag = Sealing::new(&key).unwrap().seal(nonce, &mut good).unwrap();
        good.extend_from_slice(&tag);
        for mut open in opens(&key) {
            for at in [0, 500, 999, 1000, 1015] {
                let mut bad = good.clone();
                bad[at] ^= 1;
                assert!(open.open(nonce, &mut bad).is_none(), "{at}");
                assert!(!bad.windows(16).any(|part| part == [7; 16]), "nothing of the plaintext: {at}");
                assert!(open.open([0; 12], &mut good.clone()).is_none());
                assert!(open.open(nonce, &mut good[..1000].to_vec()).is_none());
                assert_eq!(open.open(nonce, &mut good.clone()).unwrap(), [7; 1000]);
            }
            assert!(open.open(nonce, &mut [0; 15]).is_none());
        }
    }
}
