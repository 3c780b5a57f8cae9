//! The worked pack of `docs/format.md`: its hexadecimal bytes open, and hold what
//! the page says.

use darkslide_format::identity::IdentityFile;
use darkslide_format::unpack::{self, OpenPack};
use darkslide_format::{IdKey, frame, object_id};

/// The lines of the page's fenced block that begins with this word.
fn block<'p>(page: &'p str, word: &str) -> Vec<&'p str> {
    let fence = format!("```{word}\n");
    let from = page.find(&fence).unwrap_or_else(|| panic!("no block `{word}`")) + fence.len();
    let to = from + page[from..].find("```").unwrap();
    page[from..to].lines().collect()
}

#[test]
fn the_worked_pack_of_the_format_page_opens() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/format.md");
    let page = std::fs::read_to_string(path).unwrap();
    let facts = block(&page, "facts");
    let fact = |key: &str| {
        let line = facts.iter().find_map(|l| l.strip_prefix(key)).unwrap_or_else(|| panic!("no {key}"));
        line.trim().to_string()
    };
    let pack: Vec<u8> = hex::decode(block(&page, "hex").concat().replace(' ', "")).unwrap();
    assert_eq!(object_id(&pack).to_string(), fact("object id"));
    let identity = IdentityFile::parse(fact("identity").as_bytes()).unwrap().identities();
    let open = OpenPack::open(&pack, &identity.all()).unwrap();
    let signed = open.manifest(None).unwrap();
    let manifest = signed.manifest;
    assert_eq!(manifest.writer, signed.signer.writer_id());
    assert_eq!(manifest.repository.to_string(), fact("repository"));
    assert_eq!(manifest.recipes.len(), 1);
    assert_eq!(manifest.recipes[0].path.to_string(), fact("path"));
    let mut key = [0; 32];
    hex::decode_to_slice(fact("id key"), &mut key).unwrap();
    let row = manifest.chunks[0];
    let mut plain = Vec::new();
    unpack::decode(&row, open.frame(&row).unwrap(), &mut frame::Unframer::new().unwrap(), &mut plain).unwrap();
    unpack::check(row.id, &plain, &IdKey::new(key)).unwrap();
    assert_eq!(String::from_utf8(plain.clone()).unwrap(), fact("content"));
    assert_eq!(manifest.recipes[0].entry.hash.unwrap().as_bytes(), blake3::hash(&plain).as_bytes());
}
