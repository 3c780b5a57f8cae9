//! Kills, interrupts, a full disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::{Ran, World};
use crate::library::{MIB, large, noise, one_clip, put};
use crate::trees::{Same, assert_same};

/// Backs up, restores and compares; every byte in the store is good.
fn all_is_well(world: &World) {
    world.run("backup").exits(0);
    world.run("restore latest --to out --identity identity.txt").exits(0);
    assert_same(&world.library(), &world.path("out"), Same::Everything);
    world.run("audit --identity identity.txt").exits(0);
    world.run("scrub --all --identity identity.txt").exits(0);
}

#[test]
fn a_killed_backup_is_continued() {
    let world = World::founded(large);
    let mut cut_off = 0;
    for (round, delay) in [5, 20, 60, 90, 120, 180, 250, 350, 500, 40].into_iter().enumerate() {
        // Something to do in every round, whatever the rounds before have stored.
        put(&world.library(), format!("round{round}.CR3"), &noise(900 + round as u64, 6 * MIB));
        let mut backup = world.spawn("backup");
        sleep(Duration::from_millis(delay));
        backup.kill().unwrap();
        cut_off += u32::from(!backup.wait().unwrap().success());
        world.run("audit").exits(0);
    }
    assert!(cut_off >= 3, "only {cut_off} of the runs were cut off: the delays are too long for this machine");
    all_is_well(&world);
}

#[test]
fn clean_stop_on_interrupt() {
    let world = World::founded(large);
    let mut backup = world.spawn("backup");
    // As soon as the first pack is stored: there is something to continue from.
    let patience = Instant::now() + Duration::from_secs(30);
    let finished = loop {
        assert!(Instant::now() < patience, "no pack was stored in 30 s");
        match backup.try_wait().unwrap() {
            Some(_) => break true,
            None if !world.objects(&["packs"]).is_empty() => break false,
            None => sleep(Duration::from_millis(5)),
        }
    };
    if !finished {
        Command::new("kill").args(["-INT", &backup.id().to_string()]).status().unwrap();
    }
    let ran = Ran::of("backup, interrupted".into(), &backup.wait_with_output().unwrap());
    if ran.code() != Some(0) {
        ran.exits(130).says("the next run continues from here");
    }
    world.run("audit").exits(0);
    all_is_well(&world);
}

/// A small disk: a file system in memory or, where mounting is not allowed, a limit on
/// the size of files.
enum SmallDisk {
    Mounted(PathBuf),
    Limited,
}

impl SmallDisk {
    fn new(at: &Path) -> Self {
        fs::create_dir(at).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "darkslide-test"]).arg(at).output();
        match mount.is_ok_and(|m| m.status.success()) {
            true => Self::Mounted(at.to_path_buf()),
            false => Self::Limited,
        }
    }

    fn backup(&self, world: &World) -> Ran {
        match self {
            Self::Mounted(_) => world.run("backup"),
            Self::Limited => {
                let script = "trap '' XFSZ; ulimit -f 8000; exec \"$0\" backup";
                let mut bash = world.program("bash");
                bash.args(["-c", script, env!("CARGO_BIN_EXE_darkslide")]);
                Ran::of("backup with limited files".into(), &bash.output().unwrap())
            }
        }
    }

    fn make_room(&mut self) {
        if let Self::Mounted(at) = self {
            let status = Command::new("mount").args(["-o", "remount,size=200m"]).arg(at).status();
            assert!(status.unwrap().success(), "the disk cannot be made larger");
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Self::Mounted(at) = self {
            let _ = Command::new("umount").arg(at).status();
        }
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    let world = World::new();
    one_clip(&world.library());
    // Declared after the world, so that it is unmounted before that is deleted.
    let mut disk = SmallDisk::new(&world.path("disk"));
    world.run("init --library library --store disk/repo --identity identity.txt --pack-size 16").exits(0);

    let full = disk.backup(&world).exits(1);
    let message = full.err.to_lowercase();
    assert!(message.contains("full") || message.contains("too large"), "{message}");
    let named = message.split_whitespace().map(|word| word.trim_end_matches(':')).find(|word| word.ends_with(".age"));
    let named = named.unwrap_or_else(|| panic!("no object is named: {message}"));
    assert!(!world.path("disk/repo").join(named).exists(), "{named} is there, though it was not stored whole");
    world.run("scrub --all").exits(0);
    world.run("audit").exits(0);

    disk.make_room();
    all_is_well(&world);
}
