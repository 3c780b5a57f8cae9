//! Identity files on disk: reading, making, passphrases, paper.

use std::fs;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use darkslide_engine::words::{OsRng, Rng as _};
use darkslide_engine::{IdentityFile, paper};
use secrecy::{ExposeSecret as _, SecretString};

use crate::args::Identity;
use crate::wiring;

/// Reads the identity that was given, if one was.
pub fn given(args: &Identity) -> Result<Option<IdentityFile>> {
    let Some(path) = &args.identity else { return Ok(None) };
    let bytes = fs::read(path).with_context(|| format!("the identity file {}", path.display()))?;
    read(&bytes, args.passphrase_file.as_deref())
        .with_context(|| format!("the identity file {}", path.display()))
        .map(Some)
}

/// Reads the identity, which is needed.
pub fn needed(args: &Identity, what: &'static str) -> Result<IdentityFile> {
    match given(args)? {
        Some(identity) => Ok(identity),
        None => Err(darkslide_engine::EngineError::NeedIdentity { what }.into()),
    }
}

fn read(bytes: &[u8], passphrase_file: Option<&Path>) -> Result<IdentityFile> {
    if IdentityFile::is_encrypted(bytes) {
        return Ok(IdentityFile::decrypt(bytes, &passphrase(passphrase_file, Ask::Once)?)?);
    }
    Ok(IdentityFile::parse(bytes)?)
}

/// How a passphrase is asked for.
#[derive(Clone, Copy, PartialEq)]
pub enum Ask {
    /// To open something.
    Once,
    /// To protect something.
    Twice,
}

fn passphrase(file: Option<&Path>, ask: Ask) -> Result<SecretString> {
    if let Some(file) = file {
        let text = fs::read_to_string(file).with_context(|| format!("the passphrase file {}", file.display()))?;
        return Ok(SecretString::from(text.trim_end_matches(['\n', '\r']).to_string()));
    }
    if !std::io::stdin().is_terminal() {
        bail!(
            "a passphrase is needed: give it in a file (--passphrase-file; for a login --password-file), or run this in a terminal to be asked"
        );
    }
    let first = SecretString::from(rpassword::prompt_password("Passphrase: ")?);
    if ask == Ask::Twice {
        let second = SecretString::from(rpassword::prompt_password("Once more: ")?);
        if first.expose_secret() != second.expose_secret() {
            bail!("the two passphrases differ; nothing was written");
        }
        if first.expose_secret().is_empty() {
            bail!("the passphrase is empty; nothing was written");
        }
    }
    Ok(first)
}

/// Makes an owner's identity file; never replaces one.
pub fn make(path: &Path, protect: bool, passphrase_file: Option<&Path>) -> Result<IdentityFile> {
    let identity = IdentityFile::generate(&OsRng.bytes());
    let text = if protect || passphrase_file.is_some() {
        identity.encrypt(&today(), &passphrase(passphrase_file, Ask::Twice)?)?
    } else {
        identity.text(&today()).as_bytes().to_vec()
    };
    write_private(path, &text)?;
    Ok(identity)
}

/// Writes a new file that only this user can read.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().with_context(|| format!("making {} (an existing file is never replaced)", path.display()))
}

/// A password that is set: from the file, else asked for twice.
pub fn new_password(file: Option<&Path>) -> Result<secrecy::zeroize::Zeroizing<String>> {
    Ok(secrecy::zeroize::Zeroizing::new(passphrase(file, Ask::Twice)?.expose_secret().to_string()))
}

/// Recovers an identity file from typed rows.
pub fn recover(from: &Path, out: &Path) -> Result<IdentityFile> {
    let mut typed = String::new();
    if from == Path::new("-") {
        std::io::stdin().read_to_string(&mut typed).context("standard input")?;
    } else {
        typed = fs::read_to_string(from).with_context(|| format!("the typed rows in {}", from.display()))?;
    }
    let identity = paper::read(&typed)?;
    write_private(out, identity.text(&today()).as_bytes())?;
    Ok(identity)
}

/// The paper key as a page of text.
pub fn paper_page(identity: &IdentityFile) -> Result<String> {
    let code = qrcode::QrCode::with_error_correction_level(paper::qr_text(identity).as_bytes(), qrcode::EcLevel::M)
        .context("the QR code")?;
    let qr = code.render::<qrcode::render::unicode::Dense1x2>().quiet_zone(true).build();
    let recipients = identity.recipients().join("\n  ");
    Ok(format!(
        "DARKSLIDE PAPER KEY                                    printed {}\n\n\
         Whoever holds this sheet can open every photograph. Keep it where fire and\n\
         thieves do not come, away from the computer. Public key:\n  {recipients}\n\n\
         {}\n\
         To get the identity file back: type the rows into a text file, or scan the code\n\
         below into one, and run\n\n    darkslide key paper --recover FILE --out identity.txt\n\n\
         Case and spaces do not matter; the last two characters of a row tell a slip.\n\
         Without Darkslide: AGE-SECRET-KEY-1 followed by the characters of rows A1 to A3\n\
         (without the last two of each row) is an age identity (age-encryption.org).\n\n{qr}\n",
        today(),
        paper::rows(identity).as_str()
    ))
}

fn today() -> String {
    wiring::clock().now().to_string().chars().take(10).collect()
}
