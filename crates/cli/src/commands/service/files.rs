//! The files themselves. Nothing of a path or a name is trusted to be harmless in any of them.

use super::Start;

/// Ends our line of a crontab, and nobody else's.
pub const MARK: &str = "# darkslide";

/// A word of a systemd command line.
fn systemd_word(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    format!("\"{escaped}\"")
}

fn systemd_command(start: &Start) -> String {
    let (program, config) = (Start::text(&start.program), Start::text(&start.config));
    format!("{} --config {}", systemd_word(&program), systemd_word(&config))
}

fn systemd_user(start: &Start) -> String {
    match start.is_system {
        true => format!("User={}\nNoNewPrivileges=yes\n", start.user.replace('%', "%%")),
        false => String::new(),
    }
}

/// The daemon.
pub fn systemd_service(start: &Start) -> String {
    let (command, user) = (systemd_command(start), systemd_user(start));
    let (network, target) = match start.is_system {
        true => ("Wants=network-online.target\nAfter=network-online.target\n", "multi-user.target"),
        false => ("", "default.target"),
    };
    format!(
        "[Unit]\n\
         Description=Darkslide: photographs are ingested, mirrored and backed up on schedule\n\
         {network}\n\
         [Service]\n\
         Type=notify\n\
         ExecStart={command} daemon\n\
         {user}\
         Restart=on-failure\n\
         RestartSec=30\n\
         WatchdogSec=180\n\
         TimeoutStopSec=30\n\
         Nice=10\n\
         IOSchedulingClass=best-effort\n\
         IOSchedulingPriority=7\n\
         \n\
         [Install]\n\
         WantedBy={target}\n"
    )
}

/// What the timer starts.
pub fn systemd_due(start: &Start) -> String {
    let (command, user) = (systemd_command(start), systemd_user(start));
    format!(
        "[Unit]\n\
         Description=Darkslide: what is due now\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         ExecStart={command} daemon --once\n\
         {user}\
         Nice=10\n\
         IOSchedulingClass=best-effort\n\
         IOSchedulingPriority=7\n"
    )
}

/// A look every 15 minutes; after sleep or power-off at once.
pub fn systemd_timer() -> String {
    "[Unit]\n\
     Description=Darkslide: a look every 15 minutes at what is due\n\
     \n\
     [Timer]\n\
     OnCalendar=*:0/15\n\
     RandomizedDelaySec=60\n\
     Persistent=true\n\
     Unit=darkslide-due.service\n\
     \n\
     [Install]\n\
     WantedBy=timers.target\n"
        .to_string()
}

fn xml(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// For macOS: the daemon, started again when it fails.
pub fn launchd(start: &Start) -> String {
    let (program, config) = (xml(&Start::text(&start.program)), xml(&Start::text(&start.config)));
    let user = match start.is_system {
        true => format!("\t<key>UserName</key>\n\t<string>{}</string>\n", xml(&start.user)),
        false => String::new(),
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n\
         <dict>\n\
         \t<key>Label</key>\n\
         \t<string>org.darkslide.daemon</string>\n\
         \t<key>ProgramArguments</key>\n\
         \t<array>\n\
         \t\t<string>{program}</string>\n\
         \t\t<string>--config</string>\n\
         \t\t<string>{config}</string>\n\
         \t\t<string>daemon</string>\n\
         \t</array>\n\
         {user}\
         \t<key>RunAtLoad</key>\n\
         \t<true/>\n\
         \t<key>KeepAlive</key>\n\
         \t<dict>\n\
         \t\t<key>SuccessfulExit</key>\n\
         \t\t<false/>\n\
         \t</dict>\n\
         \t<key>ProcessType</key>\n\
         \t<string>Background</string>\n\
         \t<key>ExitTimeOut</key>\n\
         \t<integer>30</integer>\n\
         </dict>\n\
         </plist>\n"
    )
}

/// A word of a Windows command line.
fn windows_word(text: &str) -> String {
    let mut out = String::from("\"");
    let mut slashes = 0;
    for c in text.chars() {
        match c {
            '\\' => slashes += 1,
            '"' => {
                out.push_str(&"\\".repeat(slashes * 2 + 1));
                slashes = 0;
                out.push('"');
                continue;
            }
            _ => {
                out.push_str(&"\\".repeat(slashes));
                slashes = 0;
            }
        }
        if c != '\\' {
            out.push(c);
        }
    }
    out.push_str(&"\\".repeat(slashes * 2));
    out.push('"');
    out
}

/// For the Task Scheduler: a look every 15 minutes, also a late one; never two at once.
pub fn task(start: &Start) -> String {
    let program = xml(&Start::text(&start.program));
    let arguments = xml(&format!("--config {} daemon --once", windows_word(&Start::text(&start.config))));
    let logon = if start.is_system { "S4U" } else { "InteractiveToken" };
    let user = xml(&start.user);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Task version=\"1.2\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\n\
         \x20 <RegistrationInfo>\n\
         \x20   <Description>Darkslide: photographs are ingested, mirrored and backed up on schedule</Description>\n\
         \x20 </RegistrationInfo>\n\
         \x20 <Triggers>\n\
         \x20   <TimeTrigger>\n\
         \x20     <Enabled>true</Enabled>\n\
         \x20     <StartBoundary>2026-01-01T00:00:00</StartBoundary>\n\
         \x20     <Repetition>\n\
         \x20       <Interval>PT15M</Interval>\n\
         \x20     </Repetition>\n\
         \x20   </TimeTrigger>\n\
         \x20 </Triggers>\n\
         \x20 <Settings>\n\
         \x20   <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>\n\
         \x20   <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>\n\
         \x20   <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>\n\
         \x20   <StartWhenAvailable>true</StartWhenAvailable>\n\
         \x20   <Enabled>true</Enabled>\n\
         \x20   <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>\n\
         \x20   <Priority>7</Priority>\n\
         \x20 </Settings>\n\
         \x20 <Principals>\n\
         \x20   <Principal id=\"Author\">\n\
         \x20     <UserId>{user}</UserId>\n\
         \x20     <LogonType>{logon}</LogonType>\n\
         \x20     <RunLevel>LeastPrivilege</RunLevel>\n\
         \x20   </Principal>\n\
         \x20 </Principals>\n\
         \x20 <Actions Context=\"Author\">\n\
         \x20   <Exec>\n\
         \x20     <Command>{program}</Command>\n\
         \x20     <Arguments>{arguments}</Arguments>\n\
         \x20   </Exec>\n\
         \x20 </Actions>\n\
         </Task>\n"
    )
}

/// A word of a line of a crontab: for the shell, and with `%` as cron wants it.
fn cron_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''")).replace('%', "\\%")
}

/// A line of a crontab: a look every 15 minutes.
pub fn cron(start: &Start) -> String {
    let (program, config) = (cron_word(&Start::text(&start.program)), cron_word(&Start::text(&start.config)));
    format!("*/15 * * * * {program} --config {config} daemon --once >/dev/null 2>&1 {MARK}")
}
