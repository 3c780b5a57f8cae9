//! The API under schemathesis: what the document promises, a machine that knows nothing else holds
//! against it, with many requests that no page ever sends.

use std::process::Command;

use darkslide_web::Role;

use crate::world::World;

#[test]
fn the_api_is_as_its_document_says() {
    let schemathesis = std::env::var("SCHEMATHESIS").expect("SCHEMATHESIS is set: ci.sh installs it");
    let world = World::new(20);
    let token = world.token("machine", Role::Operator);
    let server = world.serve();
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("openapi.json");
    std::fs::write(&document, darkslide_web::openapi()).unwrap();
    let output = Command::new(schemathesis)
        .current_dir(folder.path())
        .arg("run")
        .arg(&document)
        .args(["--url", server.url().trim_end_matches('/'), "--header", &format!("Authorization: Bearer {token}")])
        .args(["--exclude-path", "/api/v1/events", "--max-examples", "25", "--seed", "8", "--workers", "1"])
        // A login that is fuzzed makes everybody wait, as it should.
        .args(["--exclude-path", "/api/v1/login"])
        // What the document allows may still name a snapshot, a job or a card that there is not.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
}
