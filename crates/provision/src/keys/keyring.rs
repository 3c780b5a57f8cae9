//! Keys in the system's keyring, each in the form that `credential_process` of `~/.aws/config` reads.
//!
//! **Invariant:** no secret in an argument: other users of the machine see those.

use std::io::{self, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{KeyKeeper, Slot};
use crate::ProvisionError;
use crate::cloud::{KeyId, NewKey};
use crate::desired::IamName;

/// What all entries here are called.
const SERVICE: &str = "darkslide";
/// Between two looks whether it is done.
const LOOK: Duration = Duration::from_millis(20);
/// Looks until it counts as stuck, a minute: it may ask its user to unlock it.
const LOOKS: u32 = 3_000;

/// The program that the system brings for its keyring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    /// libsecret's `secret-tool`.
    SecretTool,
    /// `security` of macOS.
    Security,
}

/// The system's keyring.
#[derive(Debug, Clone)]
pub struct Keyring {
    program: Program,
    command: String,
}

impl Default for Keyring {
    fn default() -> Self {
        let program = if cfg!(target_os = "macos") { Program::Security } else { Program::SecretTool };
        Self { program, command: program.name().into() }
    }
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::SecretTool => "secret-tool",
            Self::Security => "security",
        }
    }

    fn lookup(self, entry: &str) -> Vec<String> {
        match self {
            Self::SecretTool => words(&["lookup", "service", SERVICE, "username", entry]),
            Self::Security => words(&["find-generic-password", "-w", "-s", SERVICE, "-a", entry]),
        }
    }

    fn clear(self, entry: &str) -> Vec<String> {
        match self {
            Self::SecretTool => words(&["clear", "service", SERVICE, "username", entry]),
            Self::Security => words(&["delete-generic-password", "-s", SERVICE, "-a", entry]),
        }
    }

    /// Arguments, and what goes to standard input.
    fn store(self, entry: &str, secret: &str) -> (Vec<String>, Zeroizing<String>) {
        match self {
            Self::SecretTool => {
                let label = format!("--label=Darkslide: key of {entry}");
                let argv = ["store", label.as_str(), "service", SERVICE, "username", entry];
                (words(&argv), Zeroizing::new(secret.to_string()))
            }
            // Its commands come by standard input, where nobody else reads them.
            Self::Security => {
                let line = format!("add-generic-password -U -s {SERVICE} -a {entry} -w '{secret}'\n");
                (words(&["-i"]), Zeroizing::new(line))
            }
        }
    }
}

fn words(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|word| word.to_string()).collect()
}

impl Keyring {
    /// With another program in the place of `secret-tool`; for tests.
    pub fn with_secret_tool(command: impl Into<String>) -> Self {
        Self { program: Program::SecretTool, command: command.into() }
    }

    fn entry(user: &IamName, slot: Slot) -> String {
        match slot {
            Slot::Current => user.to_string(),
            Slot::Next => format!("{user}.next"),
        }
    }

    fn place(&self, user: &IamName) -> String {
        let lookup = self.program.lookup(user.as_str()).join(" ");
        format!(
            "in the keyring; in ~/.aws/config: [profile {user}] with credential_process = {} {lookup}",
            self.command
        )
    }

    fn failed(&self, why: impl Into<String>) -> ProvisionError {
        ProvisionError::Keyring { program: self.command.clone(), why: why.into() }
    }

    /// What it prints; nothing where it ends with an error.
    fn run(&self, argv: &[String], input: &str) -> Result<Option<Zeroizing<String>>, ProvisionError> {
        let mut command = Command::new(&self.command);
        command.args(argv).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                self.failed("it is not there. On Debian it is in libsecret-tools; a machine without a desktop has none")
            }
            _ => self.failed(error.to_string()),
        })?;
        let written = child.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(input.as_bytes()));
        let mut looks = 0;
        let status = loop {
            looks += 1;
            match child.try_wait().map_err(|error| self.failed(error.to_string()))? {
                Some(status) => break status,
                None if looks > LOOKS => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(self.failed("it did not answer; it may be locked and ask on the desktop"));
                }
                None => std::thread::sleep(LOOK),
            }
        };
        let mut text = Zeroizing::new(String::new());
        let read = child.stdout.take().map_or(Ok(0), |mut pipe| pipe.read_to_string(&mut text));
        match status.success() && written.is_ok() && read.is_ok() {
            true => Ok(Some(text)),
            false => Ok(None),
        }
    }

    fn write(&self, entry: &str, key: &NewKey) -> Result<(), ProvisionError> {
        let secret = key.secret.expose_secret();
        let document = json!({"Version": 1, "AccessKeyId": key.id.0, "SecretAccessKey": secret});
        let document = Zeroizing::new(document.to_string());
        let (argv, input) = self.program.store(entry, &document);
        self.run(&argv, &input)?
            .ok_or_else(|| self.failed("it took no key; it may be locked, or there is no session"))?;
        // `security -i` ends well whatever became of its commands.
        match self.find(entry)? {
            Some(found) if found.id == key.id => Ok(()),
            _ => Err(self.failed("it does not give back what it was given")),
        }
    }

    fn find(&self, entry: &str) -> Result<Option<NewKey>, ProvisionError> {
        let Some(text) = self.run(&self.program.lookup(entry), "")? else { return Ok(None) };
        let Ok(found) = serde_json::from_str::<Value>(&text) else { return Ok(None) };
        let field = |name: &str| found[name].as_str().map(str::to_string);
        let key = field("AccessKeyId").zip(field("SecretAccessKey"));
        Ok(key.map(|(id, secret)| NewKey { id: KeyId(id), secret: SecretString::from(secret) }))
    }

    fn clear(&self, entry: &str) -> Result<(), ProvisionError> {
        self.run(&self.program.clear(entry), "").map(|_| ())
    }
}

impl KeyKeeper for Keyring {
    fn held(&self, user: &IamName, slot: Slot) -> Result<Option<KeyId>, ProvisionError> {
        Ok(self.read(user, slot)?.map(|key| key.id))
    }

    fn read(&self, user: &IamName, slot: Slot) -> Result<Option<NewKey>, ProvisionError> {
        self.find(&Self::entry(user, slot))
    }

    fn keep(&self, user: &IamName, slot: Slot, key: &NewKey) -> Result<String, ProvisionError> {
        let entry = Self::entry(user, slot);
        let held = self.find(&entry)?.filter(|held| held.id != key.id && slot == Slot::Current);
        if let Some(held) = held {
            return Err(self.failed(format!("it holds another key of {user}, {}; remove that one first", held.id)));
        }
        self.write(&entry, key)?;
        Ok(self.place(user))
    }

    fn promote(&self, user: &IamName) -> Result<String, ProvisionError> {
        let next = Self::entry(user, Slot::Next);
        if let Some(key) = self.find(&next)? {
            self.write(&Self::entry(user, Slot::Current), &key)?;
            self.clear(&next)?;
        }
        Ok(self.place(user))
    }

    fn forget(&self, user: &IamName, key: &KeyId) -> Result<(), ProvisionError> {
        for slot in [Slot::Current, Slot::Next] {
            if self.held(user, slot)?.as_ref() == Some(key) {
                self.clear(&Self::entry(user, slot))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    /// Stands in for `secret-tool`: a file for each entry, and a note of how it was called.
    const STAND_IN: &str = r#"#!/bin/sh
dir=$(dirname "$0")
echo "$@" >> "$dir/calls"
for last in "$@"; do :; done
case $1 in
  store) cat > "$dir/$last.secret" ;;
  lookup) cat "$dir/$last.secret" 2>/dev/null ;;
  clear) rm -f "$dir/$last.secret" ;;
esac
"#;

    fn stand_in(text: &str) -> (tempfile::TempDir, Keyring) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("secret-tool");
        // By a shell: a file that this process has open for writing cannot be run, nor one that a child of another
        // test's was given.
        let write = "printf %s \"$1\" > \"$2\" && chmod 755 \"$2\"";
        let made = Command::new("sh").args(["-c", write, "sh", text]).arg(&program).status().unwrap();
        assert!(made.success());
        let keyring = Keyring::with_secret_tool(program.display().to_string());
        (folder, keyring)
    }

    fn key(id: &str) -> NewKey {
        NewKey { id: KeyId(id.into()), secret: SecretString::from("s3cr3t/+=") }
    }

    #[test]
    fn a_key_goes_in_comes_back_and_is_never_an_argument() {
        let (folder, keyring) = stand_in(STAND_IN);
        let user = IamName::new("writer").unwrap();
        assert_eq!(keyring.held(&user, Slot::Current).unwrap(), None);
        let place = keyring.keep(&user, Slot::Current, &key("A")).unwrap();
        assert!(place.contains("credential_process") && place.contains("username writer"), "{place}");
        assert!(matches!(keyring.keep(&user, Slot::Current, &key("B")), Err(ProvisionError::Keyring { .. })));
        keyring.keep(&user, Slot::Next, &key("B")).unwrap();
        keyring.promote(&user).unwrap();
        assert_eq!(keyring.held(&user, Slot::Current).unwrap(), Some(KeyId("B".into())));
        assert_eq!(keyring.held(&user, Slot::Next).unwrap(), None);
        let read = keyring.read(&user, Slot::Current).unwrap().unwrap();
        assert_eq!(read.secret.expose_secret(), "s3cr3t/+=");
        keyring.forget(&user, &KeyId("A".into())).unwrap();
        assert!(keyring.held(&user, Slot::Current).unwrap().is_some());
        keyring.forget(&user, &KeyId("B".into())).unwrap();
        assert_eq!(keyring.held(&user, Slot::Current).unwrap(), None);
        let calls = std::fs::read_to_string(folder.path().join("calls")).unwrap();
        assert!(!calls.contains("s3cr3t"), "{calls}");
    }

    #[test]
    fn a_keyring_that_is_not_there_or_takes_nothing_says_so() {
        let user = IamName::new("writer").unwrap();
        let absent = Keyring::with_secret_tool("/nowhere/secret-tool");
        let told = absent.keep(&user, Slot::Current, &key("A")).unwrap_err().to_string();
        assert!(told.contains("libsecret-tools"), "{told}");
        // It reads what it is given: one that ended before would take no key, not forget it.
        let (_folder, deaf) = stand_in("#!/bin/sh\ncat > /dev/null\n");
        let told = deaf.keep(&user, Slot::Current, &key("A")).unwrap_err().to_string();
        assert!(told.contains("does not give back"), "{told}");
        let locked = Keyring::with_secret_tool("false");
        let told = locked.keep(&user, Slot::Current, &key("A")).unwrap_err().to_string();
        assert!(told.contains("locked"), "{told}");
    }

    #[test]
    fn on_a_mac_the_secret_goes_by_standard_input() {
        let (argv, input) = Program::Security.store("writer", "s3cr3t");
        assert_eq!(argv, ["-i"]);
        assert!(input.contains("-a writer") && input.contains("s3cr3t"));
    }
}
