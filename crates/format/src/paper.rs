//! The paper key: the owner's secrets in rows that a hand can type, each with a
//! check of its own, so that a slip is found in its row.
//!
//! A row is a label (`A1`), five groups of four characters (the last row of a
//! block may be shorter) and two check characters. Block A is the age identity,
//! block B the owner key; both are bech32 data without their constant prefix,
//! and bech32's own checksum covers each as a whole.

use zeroize::Zeroizing;

use crate::FormatError;
use crate::identity::IdentityFile;

const ALPHABET: &[u8; 32] = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
const IDENTITY_PREFIX: &str = "AGE-SECRET-KEY-1";
const OWNER_PREFIX: &str = "DARKSLIDE-OWNER-1";
const ROW: usize = 20;

fn check(label: &str, data: &str) -> String {
    let hash = blake3::hash(format!("darkslide paper key {label} {data}").as_bytes());
    hash.as_bytes()[..2].iter().map(|b| ALPHABET[usize::from(b & 31)] as char).collect()
}

/// The rows, ready to print.
pub fn rows(file: &IdentityFile) -> Zeroizing<String> {
    let (identity, owner) = file.secrets();
    let mut out = Zeroizing::new(String::new());
    let mut block = |letter: char, text: &str| {
        for (n, row) in text.as_bytes().chunks(ROW).enumerate() {
            let label = format!("{letter}{}", n + 1);
            let data = String::from_utf8_lossy(row).to_string();
            let groups: Vec<String> =
                data.as_bytes().chunks(4).map(|g| String::from_utf8_lossy(g).to_string()).collect();
            out.push_str(&format!("{label}   {:<24}   {}\n", groups.join(" "), check(&label, &data)));
        }
    };
    block('A', identity.strip_prefix(IDENTITY_PREFIX).unwrap_or(&identity));
    if let Some(owner) = owner {
        block('B', owner.strip_prefix(OWNER_PREFIX).unwrap_or(&owner));
    }
    out
}

/// What the QR code carries: the two secrets, one a line.
pub fn qr_text(file: &IdentityFile) -> Zeroizing<String> {
    let (identity, owner) = file.secrets();
    let owner = owner.as_ref().map_or("", |o| o.as_str());
    Zeroizing::new(format!("{}\n{owner}", identity.as_str()).trim_end().to_string())
}

/// Reads typed rows, in any order, case and spacing; or a scanned QR text.
pub fn read(typed: &str) -> Result<IdentityFile, FormatError> {
    let upper = Zeroizing::new(typed.to_uppercase());
    if let Some(identity) = upper.lines().map(str::trim).find(|l| l.starts_with(IDENTITY_PREFIX)) {
        let owner = upper.lines().map(str::trim).find(|l| l.starts_with(OWNER_PREFIX));
        return IdentityFile::from_secrets(identity, owner);
    }
    let mut rows: Vec<(String, Zeroizing<String>)> = Vec::new();
    for line in upper.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        rows.push(read_row(line)?);
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let block = |letter: char| -> Result<Option<Zeroizing<String>>, FormatError> {
        let mut text = Zeroizing::new(String::new());
        for (n, (label, data)) in rows.iter().filter(|(l, _)| l.starts_with(letter)).enumerate() {
            let wanted = format!("{letter}{}", n + 1);
            if *label != wanted {
                return Err(FormatError::BadIdentity(format!("row {wanted} is missing or {label} stands twice")));
            }
            text.push_str(data);
        }
        Ok((!text.is_empty()).then_some(text))
    };
    let a = block('A')?.ok_or_else(|| FormatError::BadIdentity("there are no rows A1, A2 …".into()))?;
    let b = block('B')?;
    let identity = Zeroizing::new(format!("{IDENTITY_PREFIX}{}", a.as_str()));
    let owner = b.map(|b| Zeroizing::new(format!("{OWNER_PREFIX}{}", b.as_str())));
    IdentityFile::from_secrets(&identity, owner.as_ref().map(|o| o.as_str()))
}

fn read_row(line: &str) -> Result<(String, Zeroizing<String>), FormatError> {
    let bad = |label: &str, detail: &str| FormatError::BadIdentity(format!("row {label}: {detail}"));
    let (label, rest) = line.split_at_checked(2).ok_or_else(|| bad(line, "too short"))?;
    let known = matches!(label.as_bytes(), [b'A' | b'B', b'1'..=b'9']);
    if !known {
        return Err(bad(label, "a row starts with its label, A1 to B9"));
    }
    // Letters that the alphabet leaves out because they look like these digits.
    let fix = |c: char| match c {
        'O' => '0',
        'I' => 'L',
        'B' => '8',
        c => c,
    };
    let data: Zeroizing<String> = Zeroizing::new(rest.chars().filter(|c| c.is_alphanumeric()).map(fix).collect());
    if let Some(strange) = data.chars().find(|c| !ALPHABET.contains(&(*c as u32).min(255).try_into().unwrap_or(0))) {
        return Err(bad(label, &format!("`{strange}` is not a character of a key")));
    }
    let at = data.len().checked_sub(2).ok_or_else(|| bad(label, "too short"))?;
    let (body, given) = data.split_at(at);
    match check(label, body) == given {
        true => Ok((label.to_string(), Zeroizing::new(body.to_string()))),
        false => Err(bad(label, "its check characters do not match: look at it again")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_rows_come_back_and_slips_are_found() {
        let file = IdentityFile::generate(&[8; 32]);
        let printed = rows(&file);
        let back = read(&printed.to_lowercase().replace("   ", " ")).unwrap();
        assert_eq!(back.recipients(), file.recipients());
        assert_eq!(back.owner().unwrap().public(), file.owner().unwrap().public());
        assert_eq!(read(&qr_text(&file)).unwrap().recipients(), file.recipients());
        for (n, line) in printed.lines().enumerate() {
            let at = 6;
            let c = line.as_bytes()[at];
            let other = if c == b'Q' { 'P' } else { 'Q' };
            let mut wrong: Vec<String> = printed.lines().map(String::from).collect();
            wrong[n].replace_range(at..=at, &other.to_string());
            let error = read(&wrong.join("\n")).unwrap_err().to_string();
            assert!(error.contains(&line[..2]), "{error}");
            let mut missing: Vec<&str> = printed.lines().collect();
            missing.remove(n);
            assert!(read(&missing.join("\n")).is_err());
        }
    }
}
