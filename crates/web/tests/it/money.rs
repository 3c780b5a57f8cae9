//! Growth and cost over time, and where photographs were taken: what plots and the map are drawn from.

use serde_json::Value;

use crate::asked::Asked;
use crate::world::World;

fn number(value: &Value) -> f64 {
    value.as_str().map_or_else(|| value.as_f64().unwrap(), |text| text.parse().unwrap())
}

#[test]
fn months_and_classes_add_up() {
    let world = World::new(6);
    world.sim.advance(std::time::Duration::from_secs(70 * 86_400));
    std::fs::copy(world.path("library/2006/2006-01-03_shoot0/DSC_00000.JPG"), world.path("library/copy.JPG")).unwrap();
    world.backup();
    let asked = Asked::new(&world);
    let history = asked.get("/history");
    let months: Vec<&str> = history.as_array().unwrap().iter().map(|one| one["month"].as_str().unwrap()).collect();
    assert_eq!(months, ["2026-03", "2026-04", "2026-05"]);
    let column = |name: &str| history.as_array().unwrap().iter().map(|one| number(&one[name])).collect::<Vec<_>>();
    assert_eq!(column("files"), [6.0, 6.0, 7.0]);
    assert_eq!(column("bytes"), [6.0, 6.0, 7.0].map(|files| files * f64::from(132 << 10)));
    let added = column("added_bytes");
    assert!(added[0] > 6.0 * 132_000.0 && added[1] == 0.0 && added[2] < added[0], "{added:?}");
    assert!(column("spent_usd")[0] > 0.0, "{history}");
    // By class it is the same bill.
    for store in asked.get("/cost")["stores"].as_array().unwrap() {
        let classes = store["by_class"].as_array().unwrap();
        assert!(classes.len() >= 2 && classes.iter().any(|one| one["class"] == "DEEP_ARCHIVE"), "{store}");
        for (n, bill) in store["forecast"].as_array().unwrap().iter().enumerate() {
            let sum: f64 = classes.iter().map(|one| number(&one["forecast"][n][1])).sum();
            assert!((sum - number(&bill[1])).abs() < 1e-6, "month {n}: {sum} of {bill}");
        }
    }
}

#[test]
fn each_photograph_with_a_place_is_on_the_map_and_found_by_its_cell() {
    let world = World::new(120);
    let asked = Asked::new(&world);
    let whole = asked.get("/map?wide=360&high=180");
    assert_eq!(whole["cells"].as_array().unwrap().iter().map(|cell| number(&cell["count"])).sum::<f64>(), 120.0);
    let fine = asked.get("/map?area=16,48,17,49&wide=0.005");
    let cells = fine["cells"].as_array().unwrap();
    assert!(cells.len() > 3, "{fine}");
    assert_eq!(cells.iter().map(|cell| number(&cell["count"])).sum::<f64>(), 100.0, "those of one of the two shoots");
    for cell in cells {
        let area = cell["area"].as_str().unwrap();
        let found = asked.get(&format!("/photographs/timeline?area={area}"));
        assert_eq!(found["count"], cell["count"], "{cell}");
        assert!((48.2..48.23).contains(&number(&cell["latitude"])), "{cell}");
    }
    for bad in ["/map?wide=0", "/map?wide=NaN", "/map?wide=1&high=361", "/map"] {
        assert_eq!(asked.ask("GET", bad, None).0, 400, "{bad}");
    }
    assert_eq!(asked.ask("GET", "/map?wide=1&area=1,2,3", None).0, 422);
    assert_eq!(asked.ask("GET", "/photographs?area=x", None).0, 422);
}
