//! Draws a sample of a control's population, and writes its workpaper.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::report::control::Control;
use crate::sample::{Nonce, SIZE_MAX, Sample, Sampling};
use crate::summary::text;
use crate::verify::sample;
use crate::{Options, Outcome, Period, Refused};
use clap::Args;

use super::check::{Check, Given, code};
use super::{FINDINGS, Failure};
use crate::output;

/// Digits of the seed in the names of workpapers.
const SEED_DIGITS: usize = 16;

#[derive(Args)]
pub(crate) struct Wanted {
    #[command(flatten)]
    check: Check,
    /// The control, by its id in the report, such as 312.a.1
    #[arg(long, value_name = "ID", value_parser = control)]
    control: Control,
    /// How many to draw
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=i64::from(SIZE_MAX)))]
    n: u16,
    /// 8 to 64 bytes of your own choice in hexadecimal, said after the bundle was handed over
    #[arg(long, value_name = "HEX", value_parser = Nonce::parse)]
    nonce: Nonce,
    /// The period to draw from; the whole log where it is left out
    #[arg(long, value_name = "FROM..TO", value_parser = Period::parse)]
    period: Option<Period>,
    /// Directory to write the workpaper to, as HTML, CSV and JSON; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// A control by its id.
fn control(id: &str) -> Result<Control, String> {
    let ids = || {
        let ids: Vec<_> = Control::ALL.iter().map(|control| control.definition().id).collect();
        format!("there is no such control; they are {}", ids.join(", "))
    };
    Control::of_id(id).ok_or_else(ids)
}

pub(crate) fn run(wanted: &Wanted) -> Result<u8, Failure> {
    let given = Given::read(&wanted.check)?;
    let bar = output::Bar::new();
    let options = Options {
        heads: &given.heads,
        evidence: Some(wanted.period.unwrap_or(Period::ALWAYS)),
        progress: &mut |progress| bar.show(progress),
    };
    let sampling = Sampling {
        control: wanted.control,
        size: wanted.n,
        nonce: wanted.nonce.clone(),
    };
    let outcome = sample(&given.archive, &given.anchors, options, sampling);
    bar.end();
    let outcome = outcome?;
    let drawn = match &outcome {
        Outcome::Verified(verified) => Sample::of(verified.get(), "verified"),
        Outcome::Refused(Refused {
            shown: Some(bundle), ..
        }) => Sample::of(bundle, "refused"),
        Outcome::Refused(_) => None,
    };
    let Some(drawn) = drawn else {
        let answer = format!(
            "{}The record is not sound: no sample can be drawn from it.\n",
            text(&outcome)
        );
        output::say(&answer).map_err(Failure::Print)?;
        return Ok(FINDINGS);
    };
    if let Some(out) = &wanted.out {
        write(&drawn, out)?;
    }
    let printed = if wanted.json {
        output::print(&drawn.json())
    } else {
        output::say(&format!(
            "{}\n{}",
            text(&outcome),
            listed(&drawn, wanted.out.as_deref())
        ))
    };
    printed.map_err(Failure::Print)?;
    let speaks = drawn.with_exceptions > 0;
    Ok(if speaks {
        FINDINGS
    } else {
        code(&outcome, &wanted.check)
    })
}

fn listed(sample: &Sample, out: Option<&Path>) -> String {
    let mut lines = vec![
        format!(
            "SAMPLE   {} of {}: {}",
            sample.control.id, sample.population, sample.control.population
        ),
        format!("seed     {}", sample.seed),
    ];
    for (number, item) in (1..).zip(&sample.items) {
        let kind = item.kind.unwrap_or_default();
        let found = sample.found(item);
        lines.push(format!("{number:>5}  {:<10} {kind:<20} {found}", item.label));
    }
    lines.push(String::new());
    lines.push(sample.bound.clone());
    if let Some(out) = out {
        lines.push(format!("Workpaper in {}. The conclusion is yours.", out.display()));
    }
    lines.join("\n") + "\n"
}

fn write(sample: &Sample, out: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(out).map_err(|error| Failure::Write {
        path: out.to_owned(),
        error,
    })?;
    // Another draw is another file: none replaces what an earlier one has drawn.
    let seed = sample.seed.get(..SEED_DIGITS).unwrap_or(&sample.seed);
    let name = format!("sample-{}-{seed}", sample.control.id);
    for (ending, content) in [("html", sample.html()), ("csv", sample.csv()), ("json", sample.json())] {
        let path = out.join(format!("{name}.{ending}"));
        let write = || {
            let mut file = std::fs::File::create(&path)?;
            file.write_all(content.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|error| Failure::Write {
            path: path.clone(),
            error,
        })?;
    }
    Ok(())
}
