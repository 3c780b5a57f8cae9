//! The document that describes the API is the one that is checked in.

#[test]
fn the_document_is_checked_in_as_it_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    let now = darkslide_web::openapi();
    if kept != now {
        let new = std::env::temp_dir().join("darkslide-openapi.json");
        std::fs::write(&new, &now).unwrap();
        panic!("docs/openapi.json is not what the program says: `darkslide serve openapi > docs/openapi.json`");
    }
}
