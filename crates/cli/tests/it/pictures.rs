//! `photos` and `previews`, as somebody at a terminal uses them.

use std::fs;

use serde_json::Value;

use crate::harness::World;

fn picture(seed: u8) -> Vec<u8> {
    let pixels: Vec<u8> = (0..64 * 48 * 3).map(|n: u32| (n as u8).wrapping_mul(seed)).collect();
    let mut out = Vec::new();
    jpeg_encoder::Encoder::new(&mut out, 80).encode(&pixels, 64, 48, jpeg_encoder::ColorType::Rgb).unwrap();
    out
}

/// A JPEG that says it is 29,696 pixels wide and high: more than 2 GB, once decoded.
fn hostile() -> Vec<u8> {
    let mut out = picture(7);
    let at = out.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    out[at + 5..at + 9].copy_from_slice(&[0x74, 0x00, 0x74, 0x00]);
    out
}

fn world() -> World {
    World::founded(|library| {
        fs::create_dir_all(library.join("2024/may day")).unwrap();
        for n in 1..=3 {
            fs::write(library.join(format!("2024/may day/IMG_{n}.JPG")), picture(n)).unwrap();
        }
        fs::write(library.join("2024/may day/IMG_2.xmp"), "<x xmp:Rating='4' exif:DateTimeOriginal='2024-05-01'/>")
            .unwrap();
        fs::write(library.join("hostile.jpg"), hostile()).unwrap();
    })
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_hostile_file_costs_its_preview_and_nothing_else() {
    let world = world();
    let done = json(&world.run("backup --json").exits(0).out);
    let previews = &done["previews"];
    assert_eq!((previews["made"].as_str(), previews["thumbnails"].as_str()), (Some("5"), Some("3")), "{previews}");
    assert_eq!(previews["troubled"].as_str(), Some("1"));
    // The bounds bite: a photograph that is sound is given up where it may have next to nothing.
    let file = fs::File::open(world.path("library/2024/may day/IMG_1.JPG")).unwrap();
    let starved = world.command("previews worker --memory 3000000 -- 1.jpg").stdin(file).output().unwrap();
    assert!(!starved.status.success());
    let file = fs::File::open(world.path("library/2024/may day/IMG_1.JPG")).unwrap();
    let sound = world.command("previews worker -- 1.jpg").stdin(file).output().unwrap();
    assert!(sound.status.success() && sound.stdout.windows(3).any(|three| three == [0xff, 0xd8, 0xff]));
}

#[test]
fn photographs_are_listed_counted_and_shown() {
    let world = world();
    world.run("backup").exits(0);
    let all = json(&world.run("photos --json --oldest-first --limit 3").exits(0).out);
    let first = &all["photographs"][0];
    assert_eq!((first["name"].as_str(), first["stars"].as_i64()), (Some("IMG_2.JPG"), Some(4)), "{first}");
    let after = all["next"].as_str().unwrap();
    let rest = json(&world.run(&format!("photos --json --oldest-first --after {after}")).exits(0).out);
    assert_eq!(rest["photographs"].as_array().map(Vec::len), Some(1));
    let listed = world.run("photos --stars 4").exits(0).out;
    assert!(
        listed.contains("2024-05-01 00:00:00  readable  ****") && listed.contains("2024/may day/IMG_2.JPG"),
        "{listed}"
    );
    assert!(world.run("photos --until 2024 --count").exits(0).out.contains("2024-05         1"));
    assert!(world.run("photos --facets").exits(0).out.contains("type            4  jpg"));
    let count = json(&world.run("photos hostile --count --json").exits(0).out);
    assert_eq!(count["count"].as_str(), Some("1"));
    let detail = world.run_with("photos --thumbnail out.jpg --detail", ["2024/may day/IMG_2.JPG"]).exits(0).out;
    assert!(detail.contains("IMG_2.xmp") && detail.contains("library") && detail.contains("readable"), "{detail}");
    assert!(fs::read(world.path("out.jpg")).unwrap().starts_with(&[0xff, 0xd8]));
    let id = first["id"].as_i64().unwrap();
    let again = json(&world.run(&format!("photos --json --detail {id}")).exits(0).out);
    assert_eq!(again["name"].as_str(), Some("IMG_2.JPG"));
    world.run("photos --detail 2024/nothing.JPG").exits(2);
    world.run("photos --from soon").exits(2);
    world.run("photos --state lukewarm").exits(2);
}

#[test]
fn previews_are_counted_made_and_fetched() {
    let world = world();
    let off = fs::read_to_string(world.path("darkslide.toml")).unwrap();
    fs::write(world.path("darkslide.toml"), format!("{off}\n[previews]\nmake = false\n")).unwrap();
    world.run("backup").exits(0);
    let status = world.run("previews status").exits(0).out;
    assert!(status.contains("0 with a preview") && status.contains("make = false"), "{status}");
    fs::write(world.path("darkslide.toml"), off).unwrap();
    let made = json(&world.run("previews make --json").exits(0).out);
    assert_eq!(
        (made["due"].as_str(), made["made"].as_str(), made["thumbnails"].as_str()),
        (Some("5"), Some("5"), Some("3"))
    );
    let status = json(&world.run("previews status --json").exits(0).out);
    assert_eq!(
        (status["described"].as_str(), status["kept"].as_str(), status["due"].as_str()),
        (Some("4"), Some("3"), Some("0"))
    );
    world.run("previews fetch").exits(2);
    let fetched = json(&world.run("previews fetch --identity identity.txt --json").exits(0).out);
    assert_eq!((fetched["packs"].as_str(), fetched["previews"].as_str()), (Some("1"), Some("5")));
}
