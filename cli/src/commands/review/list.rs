//! `exhibit review list`: what the policies in force ask to be reviewed, and who has signed.

use std::fmt::Write as _;
use std::process::ExitCode;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_verify::emergency::EmergencyLine;
use exhibit_verify::schedule::{Fault, PeriodLine, ScheduleLine};
use serde_json::json;

use super::Log;
use crate::commands::connect;
use crate::config::Config;
use crate::error::CliError;
use crate::output::{Output, printable};
use crate::reader::{self, Reader};

/// List the periods and the uses of emergency access that are to be reviewed, and who has signed them off
///
/// What is to be reviewed say the `[[reviews]]` of the policies that were in force then. The log is exported into a temporary
/// directory (which is recorded) and verified whole, and every review is counted again. Of each period that is over it is said
/// whether its review is done, late (signed after its deadline), due, overdue, or reopened (events of it came after the review). So of
/// each use of emergency access, which somebody who had no part in it has to review in the time that its policy says.
///
/// Exits with 0 when nothing is overdue or reopened, and with 1 when something is.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only what has not been signed
    #[arg(long)]
    open: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reader: reader::Arguments,
}

pub(super) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let reader = Reader::open(&arguments.reader, config)?;
    let log = Log::read(&mut connect(config)?, &reader, config, output).await?;
    let reviews = &log.bundle.get().scheduled;
    // This machine's clock may be behind.
    let now = SystemClock.now().max(reviews.head());
    let (mut periods, more) = reviews.periods(now);
    let mut emergencies = log.bundle.get().emergencies.lines(now);
    let missed =
        periods.iter().any(|line| line.state.is_missed()) || emergencies.iter().any(|line| line.state.is_missed());
    if arguments.open {
        periods.retain(|line| line.state.is_open());
        emergencies.retain(|line| line.state.is_open());
    }
    periods.sort_by(|left, right| (&left.to, &left.schedule).cmp(&(&right.to, &right.schedule)));
    let schedules = reviews.schedules();
    if arguments.json {
        output.json(&json!({
            "now": now.to_string(),
            "size": log.checkpoint.size(),
            "schedules": schedules,
            "periods": periods,
            "more": more,
            "emergencies": emergencies,
        }))?;
    } else {
        let text = page(&schedules, &periods, more) + &uses(&emergencies);
        output.line(text.trim_end())?;
    }
    Ok(if missed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn page(schedules: &[ScheduleLine], periods: &[PeriodLine], more: bool) -> String {
    let mut page = String::new();
    if schedules.is_empty() {
        page.push_str("No policy that was in force asks for reviews ([[reviews]]).\n");
    } else if periods.is_empty() {
        page.push_str("Nothing is to be reviewed: no period is over.\n");
    }
    for line in periods {
        let head = format!(
            "{:<9} {}: {} from {} to {}, due until {}",
            line.state.as_str(),
            line.schedule,
            line.scope,
            short(&line.from),
            short(&line.to),
            short(&line.deadline)
        );
        let mut add = |text: String| writeln!(page, "{text}").expect("a String takes every text");
        add(head);
        for review in &line.reviews {
            let events: u64 = review.counts.values().sum();
            let late = if review.late { ", late" } else { "" };
            let later = match review.later {
                0 => String::new(),
                later => format!("; {later} came later"),
            };
            add(format!(
                "            #{} {} at {}{late}: {events} events, root {}{later}",
                review.review,
                review.person,
                short(&review.signed),
                review.population
            ));
        }
        for review in &line.uncounted {
            add(format!(
                "            #{} {} does not count: {}",
                review.review,
                review.person,
                why(review.why)
            ));
        }
        if line.state.is_open() {
            let (from, to) = (short(&line.from), short(&line.to));
            add(format!(
                "            exhibit review sign --period {from}..{to} --scope {}",
                line.scope
            ));
        }
    }
    if more {
        page.push_str("There are more periods than are looked at.\n");
    }
    page
}

/// What each use was, how its review stands, and how to sign it.
fn uses(lines: &[EmergencyLine]) -> String {
    let mut page = String::new();
    for line in lines {
        let mut add = |text: String| writeln!(page, "{text}").expect("a String takes every text");
        add(format!(
            "{:<9} emergency #{}: {}, due until {}",
            line.state.as_str(),
            line.decision,
            used(line),
            short(&line.deadline)
        ));
        for review in &line.reviews {
            let late = if review.late { ", late" } else { "" };
            add(format!(
                "            #{} {} at {}{late}",
                review.review,
                review.person,
                short(&review.signed)
            ));
        }
        for review in &line.uncounted {
            let why = match review.why {
                Fault::Own => "the person let it pass, or asked for it",
                Fault::Cut => "not all of the use was reviewed; sign again",
                other => why(other),
            };
            add(format!(
                "            #{} {} does not count: {why}",
                review.review, review.person
            ));
        }
        if line.state.is_open() {
            add(format!(
                "            exhibit review sign --emergency {}    (one of {}, and not {})",
                line.decision,
                line.reviewers.join(" or "),
                line.person
            ));
        }
    }
    page
}

/// Who let what pass, when and why, in one line: nobody's words begin another.
pub(super) fn used(line: &EmergencyLine) -> String {
    let said = format!(
        "{} let {} pass on {} at {} (#{}, {} rows): {}",
        line.person,
        line.subject.as_deref().unwrap_or("somebody"),
        line.target,
        line.time,
        line.used,
        line.rows,
        line.reason
    );
    printable(&said).replace('\n', " ")
}

/// A time without what says nothing, as `exhibit review sign` takes it.
fn short(time: &str) -> &str {
    let midnight = time.strip_suffix("T00:00:00.000000Z");
    midnight.unwrap_or(time)
}

/// For people; the words of JSON are the verifier's.
fn why(fault: Fault) -> &'static str {
    match fault {
        Fault::False => "it is of other events than it says",
        Fault::Unchecked => "it was not counted again, as its signer has too many",
        Fault::Definition => "its scope left out kinds of events; sign again",
        Fault::Group => "the person is in none of the groups that may sign",
        Fault::Cut => "events of the period stood behind what was reviewed; sign again",
        Fault::Revoked => "its key was revoked before the deadline",
        Fault::Own => "the person has a part in what was reviewed, and nobody else has signed",
    }
}

#[cfg(test)]
mod tests;
