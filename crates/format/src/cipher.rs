//! ChaCha20-Poly1305 with one key: OpenSSL's where this was built with it, which is
//! almost twice as fast as ring's where the processor has AVX-512; else ring's.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, UnboundKey};

use crate::FormatError;
use crate::stream::TAG;

/// A number that is used once with a key.
pub type Nonce = [u8; 12];

/// Seals and opens, in place.
pub enum Cipher {
    /// OpenSSL's.
    #[cfg(feature = "openssl")]
    OpenSsl(openssl_cipher::OpenSsl),
    /// ring's.
    Ring(Box<LessSafeKey>),
}

impl Cipher {
    /// With this key. An OpenSSL whose administrator allows no ChaCha20 makes way for ring.
    pub fn new(key: &[u8; 32]) -> Result<Self, FormatError> {
        #[cfg(feature = "openssl")]
        if let Some(cipher) = openssl_cipher::OpenSsl::new(key) {
            return Ok(Self::OpenSsl(cipher));
        }
        Self::ring(key)
    }

    fn ring(key: &[u8; 32]) -> Result<Self, FormatError> {
        let refused = |_| FormatError::Failed { what: "using the payload key", detail: "the cipher refused it".into() };
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(refused)?;
        Ok(Self::Ring(Box::new(LessSafeKey::new(key))))
    }

    /// Seals `plain` in place; the tag.
    pub fn seal(&mut self, nonce: Nonce, plain: &mut [u8]) -> Option<[u8; TAG]> {
        match self {
            #[cfg(feature = "openssl")]
            Self::OpenSsl(cipher) => cipher.seal(nonce, plain),
            Self::Ring(key) => {
                let nonce = ring::aead::Nonce::assume_unique_for_key(nonce);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), plain).ok()?;
                tag.as_ref().try_into().ok()
            }
        }
    }

    /// Opens `sealed`, which ends with its tag, in place; the plaintext. Nothing where
    /// the tag is not that of the rest: then `sealed` holds no plaintext either.
    pub fn open<'s>(&mut self, nonce: Nonce, sealed: &'s mut [u8]) -> Option<&'s mut [u8]> {
        match self {
            #[cfg(feature = "openssl")]
            Self::OpenSsl(cipher) => cipher.open(nonce, sealed),
            Self::Ring(key) => {
                let nonce = ring::aead::Nonce::assume_unique_for_key(nonce);
                key.open_in_place(nonce, Aad::empty(), sealed).ok()
            }
        }
    }
}

#[cfg(feature = "openssl")]
mod openssl_cipher {
    use openssl::cipher::Cipher;
    use openssl::cipher_ctx::CipherCtx;
    use zeroize::Zeroize as _;

    use super::Nonce;
    use crate::stream::TAG;

    /// One context for either direction, set up when it is first needed.
    pub struct OpenSsl {
        context: CipherCtx,
        key: zeroize::Zeroizing<[u8; 32]>,
        direction: Option<Direction>,
    }

    #[derive(Clone, Copy, PartialEq)]
    enum Direction {
        Seal,
        Open,
    }

    impl OpenSsl {
        pub fn new(key: &[u8; 32]) -> Option<Self> {
            let mut new = Self { context: CipherCtx::new().ok()?, key: zeroize::Zeroizing::new(*key), direction: None };
            new.turn(Direction::Seal)?;
            Some(new)
        }

        fn turn(&mut self, direction: Direction) -> Option<()> {
            if self.direction == Some(direction) {
                return Some(());
            }
            let (cipher, key) = (Some(Cipher::chacha20_poly1305()), Some(self.key.as_slice()));
            match direction {
                Direction::Seal => self.context.encrypt_init(cipher, key, None),
                Direction::Open => self.context.decrypt_init(cipher, key, None),
            }
            .ok()?;
            self.direction = Some(direction);
            Some(())
        }

        pub fn seal(&mut self, nonce: Nonce, plain: &mut [u8]) -> Option<[u8; TAG]> {
            self.turn(Direction::Seal)?;
            self.context.encrypt_init(None, None, Some(&nonce)).ok()?;
            let len = plain.len();
            self.context.cipher_update_inplace(plain, len).ok()?;
            self.context.cipher_final(&mut []).ok()?;
            let mut tag = [0; TAG];
            self.context.tag(&mut tag).ok()?;
            Some(tag)
        }

        pub fn open<'s>(&mut self, nonce: Nonce, sealed: &'s mut [u8]) -> Option<&'s mut [u8]> {
            let (text, tag) = sealed.split_at_mut(sealed.len().checked_sub(TAG)?);
            self.turn(Direction::Open)?;
            self.context.decrypt_init(None, None, Some(&nonce)).ok()?;
            self.context.set_tag(tag).ok()?;
            let len = text.len();
            let opened = self.context.cipher_update_inplace(text, len).and_then(|_| self.context.cipher_final(&mut []));
            if opened.is_err() {
                // It is opened before its tag is known to be wrong.
                text.zeroize();
                return None;
            }
            Some(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_words::{Rng as _, SeededRng};

    fn ciphers(key: &[u8; 32]) -> Vec<Cipher> {
        vec![Cipher::new(key).unwrap(), Cipher::ring(key).unwrap()]
    }

    #[cfg(feature = "openssl")]
    #[test]
    fn openssl_is_what_is_used_where_it_is_built_in() {
        assert!(matches!(Cipher::new(&[1; 32]), Ok(Cipher::OpenSsl(_))));
    }

    #[test]
    fn every_cipher_makes_the_same_bytes_and_opens_those_of_the_others() {
        let mut rng = SeededRng::new(4);
        for len in [0usize, 1, 15, 16, 17, 63, 64, 65, 255, 256, 1000, 4096, 65_535, 65_536] {
            let (key, nonce): ([u8; 32], Nonce) = (rng.bytes(), rng.bytes());
            let mut plain = vec![0; len];
            rng.fill(&mut plain);
            let mut made = Vec::new();
            for mut cipher in ciphers(&key) {
                // Twice with one context, the other way in between.
                for _ in 0..2 {
                    let mut sealed = plain.clone();
                    let tag = cipher.seal(nonce, &mut sealed).unwrap();
                    sealed.extend_from_slice(&tag);
                    made.push(sealed.clone());
                    for mut other in ciphers(&key) {
                        assert_eq!(other.open(nonce, &mut sealed.clone()).unwrap(), plain, "{len}");
                    }
                    assert_eq!(cipher.open(nonce, &mut sealed).unwrap(), plain, "{len}");
                }
            }
            assert!(made.windows(2).all(|pair| pair[0] == pair[1]), "{len}");
        }
    }

    #[test]
    fn what_was_touched_is_not_opened_and_the_next_is() {
        let (key, nonce) = ([5; 32], [6; 12]);
        let mut good = vec![7; 1000];
        let tag = Cipher::new(&key).unwrap().seal(nonce, &mut good).unwrap();
        good.extend_from_slice(&tag);
        for mut cipher in ciphers(&key) {
            for at in [0, 500, 999, 1000, 1015] {
                let mut bad = good.clone();
                bad[at] ^= 1;
                assert!(cipher.open(nonce, &mut bad).is_none(), "{at}");
                assert!(!bad.starts_with(&[7; 16]));
                assert!(cipher.open([0; 12], &mut good.clone()).is_none());
                assert!(cipher.open(nonce, &mut good[..1000].to_vec()).is_none());
                assert_eq!(cipher.open(nonce, &mut good.clone()).unwrap(), [7; 1000]);
            }
            assert!(cipher.open(nonce, &mut [0; 15]).is_none());
        }
    }
}
