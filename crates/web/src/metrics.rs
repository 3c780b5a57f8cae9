//! `/metrics`: what Prometheus reads, in its text format. Pure: facts become text.
//!
//! **Invariant:** no name of a photograph, and no secret. What is not known is absent, never zero.

use std::fmt::{Display, Write as _};

use darkslide_engine::words::Time;
use darkslide_engine::{JobPulse, Overview, Pulse, RunOutcome};

/// What it is sent as.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Text that grows, family by family.
#[derive(Default)]
struct Text(String);

impl Text {
    /// Begins a family of gauges.
    fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        // invariant: writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge");
        Family { text: &mut self.0, name }
    }
}

struct Family<'t> {
    text: &'t mut String,
    name: &'static str,
}

impl Family<'_> {
    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.text.push_str(self.name);
        for (n, (label, text)) in labels.iter().enumerate() {
            let open = if n == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{open}{label}=\"{}\"", escaped(text));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
        self
    }

    /// If there is one.
    fn known(&mut self, labels: &[(&str, &str)], value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.sample(labels, value),
            None => self,
        }
    }
}

/// A label's value, as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(at: Time) -> i64 {
    at.seconds()
}

fn bit(is: bool) -> u8 {
    u8::from(is)
}

/// All of it. `overview` is what was last counted, if anything was yet.
pub fn exposition(pulse: &Pulse, overview: Option<&Overview>, version: &str) -> String {
    let mut text = Text::default();
    text.gauge("darkslide_build_info", "This program.").sample(&[("version", version)], 1);
    text.gauge("darkslide_now_timestamp_seconds", "This machine's clock.").sample(&[], seconds(pulse.now));
    if let Some(overview) = overview {
        safety(&mut text, overview);
        places(&mut text, overview);
    }
    jobs(&mut text, &pulse.jobs);
    libraries(&mut text, pulse);
    thaws(&mut text, pulse);
    money(&mut text, pulse);
    text.gauge("darkslide_drill_last_success_timestamp_seconds", "When a restore was last practised with success.")
        .known(&[], pulse.last_drill.map(seconds));
    text.0
}

fn safety(text: &mut Text, overview: &Overview) {
    let (lacking, rule) = (&overview.lacking, &overview.copies.rule);
    text.gauge("darkslide_safe", "1 if each file has the copies that the rule asks for, and there are files.")
        .sample(&[], bit(overview.is_safe()));
    let parts = [
        ("copies", lacking.copies.0, rule.copies),
        ("media", lacking.media.0, rule.media),
        ("off_site", lacking.off_site.0, u64::from(rule.off_site)),
    ];
    let mut family = text.gauge("darkslide_rule", "What each part of the rule asks for.");
    parts.iter().for_each(|(part, _, asks)| _ = family.sample(&[("part", part)], asks));
    let mut family = text.gauge("darkslide_rule_holds", "1 if this part of the rule holds for each file.");
    parts.iter().for_each(|(part, lacking, _)| _ = family.sample(&[("part", part)], bit(*lacking == 0)));
    let mut family = text.gauge("darkslide_rule_lacking_files", "Files for which this part of the rule does not hold.");
    parts.iter().for_each(|(part, lacking, _)| _ = family.sample(&[("part", part)], lacking));
    let copies = &overview.copies;
    text.gauge("darkslide_files", "Files whose copies were counted: those of the last backups.")
        .sample(&[], copies.files.0);
    text.gauge("darkslide_bytes", "Their bytes.").sample(&[], copies.bytes.0);
    text.gauge("darkslide_lacking_files", "Files for which the rule does not hold.").sample(&[], copies.lacking.0);
    text.gauge("darkslide_counted_timestamp_seconds", "When copies were counted.").sample(&[], seconds(overview.at));
    text.gauge("darkslide_todo", "Things that are not as they should be.").sample(&[], overview.todo.len());
    text.gauge("darkslide_packs", "Packs in the index.").sample(&[], overview.stored.0.0);
    text.gauge("darkslide_pack_bytes", "Their sealed bytes.").sample(&[], overview.stored.1.0);
}

fn places(text: &mut Text, overview: &Overview) {
    let places = &overview.copies.places;
    let off_site = |place: &darkslide_engine::CopiesPlace| if place.off_site { "true" } else { "false" };
    let mut family = text.gauge("darkslide_copies_files", "Files that a place holds a verified copy of.");
    for place in places {
        let labels = [("place", place.place.as_str()), ("medium", &place.medium), ("off_site", off_site(place))];
        family.sample(&labels, place.files.0);
    }
    let mut family = text.gauge("darkslide_place_counts", "1 if what this place holds counts.");
    places.iter().for_each(|place| _ = family.sample(&[("place", &place.place)], bit(place.problem.is_none())));
    let mut family = text.gauge("darkslide_store_reachable", "1 if the store could be reached.");
    let stores = &overview.status.stores;
    stores.iter().for_each(|store| _ = family.sample(&[("store", &store.label)], bit(store.problem.is_none())));
}

fn jobs(text: &mut Text, jobs: &[JobPulse]) {
    type Value<'v> = &'v dyn Fn(&JobPulse) -> Option<i64>;
    let mut family = |name, help, value: Value<'_>| {
        let mut family = text.gauge(name, help);
        for job in jobs {
            family.known(&[("job", job.name.as_str()), ("kind", job.kind.word())], value(job));
        }
    };
    let ended = |outcome: RunOutcome| move |job: &JobPulse| job.outcomes.get(outcome.word()).copied().map(seconds);
    let of_last = |value: fn(&darkslide_engine::RunRow) -> i64| move |job: &JobPulse| job.last.as_ref().map(value);
    family(
        "darkslide_job_last_success_timestamp_seconds",
        "When it was last done whole.",
        &ended(RunOutcome::Complete),
    );
    family(
        "darkslide_job_last_start_timestamp_seconds",
        "When its last run began.",
        &of_last(|run| run.started.seconds()),
    );
    family("darkslide_job_last_end_timestamp_seconds", "When its last run ended.", &|job| {
        job.last.as_ref()?.ended.map(seconds)
    });
    family("darkslide_job_next_timestamp_seconds", "When it runs next.", &|job| job.next.map(seconds));
    family("darkslide_job_running", "1 while it runs.", &|job| Some(i64::from(job.is_running)));
    family("darkslide_job_refused", "1 if this machine lacks what it needs.", &|job| {
        Some(i64::from(job.refused.is_some()))
    });
    family("darkslide_job_failed_files", "Files that its last run could not do.", &|job| {
        job.last.as_ref().and(i64::try_from(job.failed.0).ok())
    });
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    family("darkslide_job_last_files", "Files that its last run brought, stored or looked at.", &|job| {
        job.last.as_ref().map(|run| signed(run.files.0))
    });
    family("darkslide_job_last_bytes", "Their bytes.", &|job| job.last.as_ref().map(|run| signed(run.bytes.0)));
    family("darkslide_job_last_warnings", "Warnings of its last run.", &|job| {
        job.last.as_ref().map(|run| signed(run.warnings.0))
    });
    outcomes(text, jobs);
}

/// Which of the outcomes the last run had, and when each was last seen.
fn outcomes(text: &mut Text, jobs: &[JobPulse]) {
    let mut family = text.gauge("darkslide_job_last_outcome", "1 for the outcome of its last run, 0 for the others.");
    for job in jobs.iter().filter(|job| job.last.is_some()) {
        let last = job.last.as_ref().and_then(|run| run.how());
        for outcome in RunOutcome::ALL {
            let labels = [("job", job.name.as_str()), ("kind", job.kind.word()), ("outcome", outcome.word())];
            family.sample(&labels, bit(last == Some(outcome)));
        }
    }
    let mut family = text.gauge("darkslide_job_outcome_timestamp_seconds", "When a run last ended this way.");
    for job in jobs {
        for (outcome, at) in &job.outcomes {
            family.sample(&[("job", &job.name), ("kind", job.kind.word()), ("outcome", outcome)], seconds(*at));
        }
    }
}

fn libraries(text: &mut Text, pulse: &Pulse) {
    let mut family = text.gauge("darkslide_snapshot_last_timestamp_seconds", "This machine's last complete snapshot.");
    for library in &pulse.libraries {
        family.known(&[("library", &library.name)], library.last.as_ref().map(|(at, _)| seconds(*at)));
    }
    let mut family = text.gauge("darkslide_snapshot_files", "Files in it.");
    for library in &pulse.libraries {
        family.known(&[("library", &library.name)], library.last.as_ref().map(|(_, counts)| counts.files.0));
    }
    let mut family = text.gauge("darkslide_snapshot_bytes", "Their bytes.");
    for library in &pulse.libraries {
        family.known(&[("library", &library.name)], library.last.as_ref().map(|(_, counts)| counts.bytes.0));
    }
}

fn thaws(text: &mut Text, pulse: &Pulse) {
    text.gauge("darkslide_thaws", "Thaws that are under way.").sample(&[], pulse.thaws.len());
    let mut family = text.gauge("darkslide_thaw_packs", "Packs of a thaw, by how far they are.");
    for thaw in &pulse.thaws {
        let (id, progress) = (thaw.id.to_string(), &thaw.progress);
        let steps = [
            ("cold", &progress.cold),
            ("asked", &progress.asked),
            ("warm", &progress.warm),
            ("downloaded", &progress.downloaded),
            ("verified", &progress.verified),
            ("failed", &progress.failed),
        ];
        for (step, tally) in steps {
            family.sample(&[("thaw", &id), ("step", step)], tally.packs.0);
        }
    }
    let mut family = text.gauge("darkslide_thaw_ready_timestamp_seconds", "When all of it can be read, about.");
    for thaw in &pulse.thaws {
        family.known(&[("thaw", &thaw.id.to_string())], thaw.progress.ready_about.map(seconds));
    }
    let mut family = text.gauge("darkslide_thaw_cost_usd", "What it has cost.");
    for thaw in &pulse.thaws {
        family.sample(&[("thaw", &thaw.id.to_string())], thaw.row.spent.usd());
    }
}

fn money(text: &mut Text, pulse: &Pulse) {
    text.gauge("darkslide_month_cost_usd", "Spent this calendar month (UTC), by the ledger.")
        .sample(&[], pulse.month.usd());
    text.gauge("darkslide_month_limit_usd", "What may be spent in one.")
        .known(&[], pulse.month_limit.map(|limit| limit.usd()));
}
