//! What parity costs, for `docs/parity.md`: run it under `time` with `put 0`, `put 10`, `check 10`
//! or `heal 10` and the number of packs of 64 MiB; the difference between two runs counts.

use darkslide_store::{Mending as _, PutFacts, Store as _};
use darkslide_store_dir::DirStore;
use darkslide_words::{ObjectId, ObjectName, Rng as _, SeededRng, Temperature};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [work, percent, packs] = &args[..] else { panic!("parity_cost put|check|heal PERCENT PACKS") };
    let folder = tempfile::tempdir()?;
    let store = DirStore::create(folder.path())?.with_parity(percent.parse()?);
    let mut pack = vec![0; 64 << 20];
    SeededRng::new(1).fill(&mut pack);
    let id = ObjectId::new(*blake3::hash(&pack).as_bytes());
    let facts = PutFacts {
        crc64: crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &pack),
        temperature: Temperature::Cold,
    };
    for n in 0..packs.parse()? {
        let name = ObjectName::new(format!("packs/{n}"))?;
        store.put(&name, &pack, &facts)?;
        match work.as_str() {
            "put" => {}
            "check" => assert!(store.parity(&name, Some(id), Some(&pack)).is_ok()),
            _ => {
                let mut harmed = pack.clone();
                harmed[1 << 20..6 << 20].fill(0);
                std::fs::write(folder.path().join(name.as_str()), harmed)?;
                store.heal(&name, Some(id))?;
            }
        }
        std::fs::remove_file(folder.path().join(name.as_str()))?;
    }
    Ok(())
}
