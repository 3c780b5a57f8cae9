//! The published age test vectors (C2SP CCTV), run against what opens and seals
//! age payloads here. The vectors lie in `testdata/age-vectors`.

use std::path::Path;

use darkslide_format::{FormatError, seal};
use secrecy::SecretString;

struct Vector {
    expect: String,
    payload: Option<String>,
    passphrases: Vec<SecretString>,
    identities: Vec<String>,
    armored: bool,
    body: Vec<u8>,
}

fn parse(bytes: &[u8]) -> Vector {
    let end = bytes.windows(2).position(|w| w == b"\n\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut vector = Vector {
        expect: String::new(),
        payload: None,
        passphrases: Vec::new(),
        identities: Vec::new(),
        armored: false,
        body: bytes[end + 2..].to_vec(),
    };
    let mut compressed = false;
    for line in head.lines() {
        let (key, value) = line.split_once(": ").unwrap();
        match key {
            "expect" => vector.expect = value.into(),
            "payload" => vector.payload = Some(value.into()),
            "passphrase" => vector.passphrases.push(SecretString::from(value.to_string())),
            "identity" => vector.identities.push(value.into()),
            "armored" => vector.armored = true,
            "compressed" => compressed = true,
            _ => {}
        }
    }
    if compressed {
        use std::io::Read as _;
        let mut out = Vec::new();
        flate2::read::ZlibDecoder::new(&vector.body[..]).read_to_end(&mut out).unwrap();
        vector.body = out;
    }
    vector
}

/// What opening a vector gives: the payload's SHA-256, or nothing.
fn open(vector: &Vector) -> Option<String> {
    let mut bytes = vector.body.clone();
    if vector.armored {
        use std::io::Read as _;
        let mut binary = Vec::new();
        age::armor::ArmoredReader::new(vector.body.trim_ascii_start()).read_to_end(&mut binary).ok()?;
        bytes = binary;
    }
    let mut identities: Vec<Box<dyn age::Identity>> = Vec::new();
    for text in &vector.identities {
        let identity: age::x25519::Identity = text.parse().ok()?;
        identities.push(Box::new(identity));
    }
    for passphrase in &vector.passphrases {
        let mut identity = age::scrypt::Identity::new(passphrase.clone());
        identity.set_max_work_factor(16);
        identities.push(Box::new(identity));
    }
    let refs: Vec<&dyn age::Identity> = identities.iter().map(|i| &**i).collect();
    let plain = seal::open(&bytes, &refs, 64 << 20).ok()?;
    use sha2::Digest as _;
    Some(hex::encode(sha2::Sha256::digest(plain)))
}

#[test]
fn age_vectors_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/age-vectors");
    let (mut opened, mut refused) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().to_string();
        if name == "README.md" {
            continue;
        }
        let vector = parse(&std::fs::read(&path).unwrap());
        // Post-quantum recipients come as an epoch of their own; until then such
        // files are refused, never misread.
        let later = name.starts_with("hybrid") || name == "armor_hybrid";
        match (vector.expect.as_str(), open(&vector)) {
            ("success", Some(hash)) => {
                assert_eq!(Some(hash), vector.payload, "{name}");
                opened += 1;
            }
            ("success", None) => assert!(later, "{name} does not open"),
            (_, None) => refused += 1,
            (expect, Some(_)) => panic!("{name} opens, where `{expect}` is expected"),
        }
    }
    assert!(opened >= 20 && refused >= 110, "{opened} opened, {refused} refused");
}

#[test]
fn what_we_seal_the_age_crate_opens_and_the_other_way() {
    use std::io::{Read as _, Write as _};
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    for len in [0usize, 1, 65_535, 65_536, 65_537, 131_072, 1_000_000] {
        let plain: Vec<u8> = (0..len).map(|i| (i * 7 / 5) as u8).collect();
        let to = seal::Recipients::parse([recipient.as_str()]).unwrap();
        let sealed = seal::seal(&to, &plain).unwrap();
        let mut back = Vec::new();
        let one: [&dyn age::Identity; 1] = [&identity];
        age::Decryptor::new(&sealed[..]).unwrap().decrypt(one.into_iter()).unwrap().read_to_end(&mut back).unwrap();
        assert!(back == plain, "{len}");
        let mut theirs = Vec::new();
        let encryptor =
            age::Encryptor::with_recipients([&identity.to_public() as &dyn age::Recipient].into_iter()).unwrap();
        let mut writer = encryptor.wrap_output(&mut theirs).unwrap();
        writer.write_all(&plain).unwrap();
        writer.finish().unwrap();
        assert!(seal::open(&theirs, &one, 4 << 20).unwrap() == plain, "{len}");
        assert!(matches!(seal::open(&theirs, &[], 4 << 20), Err(FormatError::NotARecipient)));
    }
}
