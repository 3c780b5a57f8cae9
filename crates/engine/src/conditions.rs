//! Battery and line: what a machine runs on just now. What cannot be told counts as mains and as a
//! line that costs nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a machine runs on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conditions {
    /// On its battery alone.
    pub on_battery: bool,
    /// On a line that is paid by volume.
    pub metered: bool,
}

/// Where that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Senses {
    /// `/sys/class/power_supply`.
    pub power: PathBuf,
    /// Program and arguments that print NetworkManager's `Metered`.
    pub line: Vec<String>,
}

impl Default for Senses {
    fn default() -> Self {
        const NAME: &str = "org.freedesktop.NetworkManager";
        let line = ["busctl", "--system", "get-property", NAME, "/org/freedesktop/NetworkManager", NAME, "Metered"];
        Self { power: "/sys/class/power_supply".into(), line: line.map(String::from).to_vec() }
    }
}

impl Senses {
    /// Looks.
    pub fn look(&self) -> Conditions {
        Conditions { on_battery: on_battery(&self.power), metered: self.metered() }
    }

    fn metered(&self) -> bool {
        let Some((program, arguments)) = self.line.split_first() else { return false };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
        let Ok(out) = command.output() else { return false };
        is_metered(&String::from_utf8_lossy(&out.stdout))
    }
}

/// `u 1` is yes, `u 3` a guess that it is; `u 2`, `u 4` are no, `u 0` is unknown.
fn is_metered(said: &str) -> bool {
    let mut words = said.split_whitespace();
    words.next() == Some("u") && matches!(words.next(), Some("1" | "3"))
}

/// A battery of the machine discharges, and no mains is connected.
fn on_battery(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    let (mut discharges, mut mains) = (false, false);
    for entry in entries.flatten() {
        let read = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let is = |name: &str, value: &str| read(name).trim() == value;
        match read("type").trim() {
            // That of a mouse or a headset says nothing about the machine.
            "Battery" if !is("scope", "Device") => discharges |= is("status", "Discharging"),
            "Mains" | "USB" | "Wireless" => mains |= is("online", "1"),
            _ => {}
        }
    }
    discharges && !mains
}

#[cfg(test)]
mod tests {
    use super::{Conditions, Senses, is_metered, on_battery};
    use std::path::Path;

    fn supply(folder: &Path, name: &str, fields: &[(&str, &str)]) {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        fields.iter().for_each(|(field, value)| std::fs::write(folder.join(field), format!("{value}\n")).unwrap());
    }

    #[test]
    fn on_battery_is_a_battery_that_discharges_without_mains() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert!(!on_battery(&root.join("none")) && !on_battery(root));
        supply(root, "hidpp_battery_0", &[("type", "Battery"), ("scope", "Device"), ("status", "Discharging")]);
        assert!(!on_battery(root), "a mouse is no machine");
        supply(root, "BAT0", &[("type", "Battery"), ("status", "Discharging")]);
        assert!(on_battery(root));
        supply(root, "AC", &[("type", "Mains"), ("online", "1")]);
        assert!(!on_battery(root), "it discharges a little on mains, too");
        supply(root, "AC", &[("type", "Mains"), ("online", "0")]);
        assert!(on_battery(root));
        supply(root, "BAT0", &[("type", "Battery"), ("status", "Full")]);
        assert!(!on_battery(root));
    }

    #[test]
    fn a_line_is_metered_where_networkmanager_says_so() {
        for (said, is) in
            [("u 1\n", true), ("u 3\n", true), ("u 0", false), ("u 2", false), ("u 4", false), ("", false)]
        {
            assert_eq!(is_metered(said), is, "{said}");
        }
        let senses =
            |line: &[&str]| Senses { power: "/nowhere".into(), line: line.iter().map(|s| s.to_string()).collect() };
        assert!(senses(&["echo", "u 1"]).look().metered);
        assert_eq!(senses(&["no-such-program"]).look(), Conditions::default());
        assert_eq!(senses(&[]).look(), Conditions::default());
    }
}
