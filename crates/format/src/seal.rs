//! Sealing to age recipients, opening with age identities.
//!
//! Headers are the age crate's work in both directions; a wrapper learns the
//! file key on the way, and the payload is sealed by [`crate::stream`], which is
//! faster. What comes out is a plain age v1 file.

use std::cell::RefCell;
use std::collections::HashSet;

use age::x25519;
use age_core::format::{FileKey, Stanza};
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::FormatError;
use crate::limits::HEADER_MAX;
use crate::stream::{self, Opener, SealBuffer, StreamKey};

/// Whom to seal to.
#[derive(Clone)]
pub struct Recipients(Vec<x25519::Recipient>);

impl Recipients {
    /// Parses `age1…` texts.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, FormatError> {
        let list: Result<Vec<_>, _> = texts.into_iter().map(parse_recipient).collect();
        Ok(Self(list?))
    }
}

impl std::fmt::Debug for Recipients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(ToString::to_string)).finish()
    }
}

/// Parses one `age1…` text.
pub fn parse_recipient(text: &str) -> Result<x25519::Recipient, FormatError> {
    text.trim()
        .parse()
        .map_err(|e: &str| FormatError::BadRecipient { text: text.chars().take(80).collect(), detail: e.to_string() })
}

/// The start of a sealed file: its header and nonce, verbatim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The age header up to and with its final newline.
    pub header: Vec<u8>,
    /// The payload nonce.
    pub nonce: [u8; 16],
}

impl Head {
    /// Bytes before the payload.
    pub fn len(&self) -> usize {
        self.header.len() + self.nonce.len()
    }

    /// Never true: a header is at least its version line.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

struct CaptureRecipient<'a> {
    inner: &'a x25519::Recipient,
    key: &'a RefCell<Option<Zeroizing<[u8; 16]>>>,
}

impl age::Recipient for CaptureRecipient<'_> {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        *self.key.borrow_mut() = Some(Zeroizing::new(*key.expose_secret()));
        self.inner.wrap_file_key(key)
    }
}

/// Makes a header for the recipients and the key of the payload that follows it.
pub fn begin(recipients: &Recipients) -> Result<(Head, StreamKey), FormatError> {
    let failed = |detail: String| FormatError::Failed { what: "sealing", detail };
    let key = RefCell::new(None);
    let capture: Vec<_> = recipients.0.iter().map(|inner| CaptureRecipient { inner, key: &key }).collect();
    let encryptor = age::Encryptor::with_recipients(capture.iter().map(|r| r as &dyn age::Recipient))
        .map_err(|e| failed(e.to_string()))?;
    let mut head = Vec::with_capacity(1024);
    drop(encryptor.wrap_output(&mut head).map_err(|e| failed(e.to_string()))?);
    let nonce = head.split_off(head.len().saturating_sub(16));
    let nonce: [u8; 16] = nonce.try_into().map_err(|_| failed("no nonce".into()))?;
    let file_key = key.into_inner().ok_or_else(|| failed("no file key".into()))?;
    let key = StreamKey::derive(&file_key, &nonce)?;
    Ok((Head { header: head, nonce }, key))
}

/// Seals a small object whole.
pub fn seal(recipients: &Recipients, plain: &[u8]) -> Result<Vec<u8>, FormatError> {
    let (head, key) = begin(recipients)?;
    let space = Vec::with_capacity(plain.len() + plain.len() / 2048 + 2048);
    let mut buffer = SealBuffer::new(&head, key, space.into());
    buffer.append(plain);
    Ok(buffer.finish()?.bytes.into_vec())
}

struct CaptureIdentity<'a> {
    inner: &'a dyn age::Identity,
    key: &'a RefCell<Option<Zeroizing<[u8; 16]>>>,
}

impl age::Identity for CaptureIdentity<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        self.inner.unwrap_stanza(stanza)
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, age::DecryptError>> {
        let unwrapped = self.inner.unwrap_stanzas(stanzas);
        if let Some(Ok(key)) = &unwrapped {
            *self.key.borrow_mut() = Some(Zeroizing::new(*key.expose_secret()));
        }
        unwrapped
    }
}

/// Reads the header at the start of `file` with the identities; what is needed
/// to open the payload, whose sealed bytes start at [`Opener::payload_at`].
pub fn open_head(file: &[u8], identities: &[&dyn age::Identity]) -> Result<Opener, FormatError> {
    strict_header(file)?;
    let key = RefCell::new(None);
    let capture: Vec<_> = identities.iter().map(|inner| CaptureIdentity { inner: *inner, key: &key }).collect();
    let mut rest: &[u8] = &file[..file.len().min(HEADER_MAX)];
    let seen = rest.len();
    let decryptor = age::Decryptor::new_buffered(&mut rest).map_err(header_error)?;
    decryptor.decrypt(capture.iter().map(|i| i as &dyn age::Identity)).map_err(header_error)?;
    let at = seen - rest.len();
    let nonce: [u8; 16] = file[at - 16..at].try_into().map_err(|_| FormatError::BadHeader("no nonce".into()))?;
    let file_key = key.into_inner().ok_or(FormatError::NotARecipient)?;
    Ok(Opener::new(StreamKey::derive(&file_key, &nonce)?, at as u64))
}

/// Lines that a header may have: hundreds of recipients. The age crate reads a
/// header anew for each line, so more would be a way to keep it busy.
const HEADER_LINES_MAX: usize = 1024;

/// Refuses what the age crate still accepts of old drafts: a stanza whose body
/// does not end in a line of less than 64 characters.
fn strict_header(file: &[u8]) -> Result<(), FormatError> {
    let bad = |detail: &str| Err(FormatError::BadHeader(detail.into()));
    let mut in_body = false;
    for (n, line) in file[..file.len().min(HEADER_MAX)].split(|b| *b == b'\n').enumerate() {
        match line {
            _ if n == 0 => {}
            _ if n > HEADER_LINES_MAX => return bad("it has too many lines"),
            [b'-', ..] if in_body => return bad("a stanza without its short last line"),
            [b'-', b'-', b'-', ..] => return Ok(()),
            [b'-', b'>', ..] => in_body = true,
            _ => in_body &= line.len() >= 64,
        }
    }
    Ok(())
}

fn header_error(error: age::DecryptError) -> FormatError {
    match error {
        age::DecryptError::NoMatchingKeys => FormatError::NotARecipient,
        age::DecryptError::UnknownFormat => {
            FormatError::BadHeader("not an age file, or one of a newer age version".into())
        }
        other => FormatError::BadHeader(other.to_string()),
    }
}

/// Opens a small object whole; refuses one over `limit` sealed bytes.
pub fn open(file: &[u8], identities: &[&dyn age::Identity], limit: usize) -> Result<Vec<u8>, FormatError> {
    FormatError::limit("the sealed object", file.len() as u64, limit as u64)?;
    let opener = open_head(file, identities)?;
    let mut sealed = file[opener.payload_at() as usize..].to_vec();
    let mut plain = Vec::with_capacity(sealed.len());
    let last = stream::segments(sealed.len() as u64).ok_or(FormatError::Tampered { segment: 0 })? - 1;
    opener.open_segments(0, last, &mut sealed, &mut plain)?;
    Ok(plain)
}
