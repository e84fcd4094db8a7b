//! Plots: SVG of the figures that stand in the tables beside them. No script, no colour that alone says something.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::{Listing, cut, table};
use crate::census::{Day, Figures};
use crate::evidence::Evidence;
use crate::report::matrix::{Row, Tested};
use crate::report::table::Table;

/// Units of the drawing across; browsers scale it.
const WIDTH: u64 = 960;

/// Units of a plot of bars from its foot to its top.
const HEIGHT: u64 = 160;

/// Days that are drawn; the table lists all.
const DAYS_MAX: usize = 800;

/// Units of the bar of a day at the most.
const BAR_WIDTH_MAX: u64 = 24;

/// Months that are drawn.
const MONTHS_MAX: usize = 36;

/// Bars of one plot; the tables list all.
const BARS_MAX: usize = 20;

/// Units of a bar that lies, with the space to the next one.
const ROW_HEIGHT: u64 = 22;

/// Units before a bar that lies, for its name.
const NAME_WIDTH: u64 = 320;

pub(super) fn section(figures: &Figures, evidence: Option<&Evidence>, rows: &[Row], shown: usize) -> Markup {
    html! {
        h2 id="plots" { "Plots" }
        (days(&figures.days, shown))
        @if let Some(evidence) = evidence {
            (bars("Decisions of people by how long they took", &named(&evidence.time_to_decide)))
        }
        (bars("Cells masked, by mask or net (the most)", &largest(&figures.masked)))
        (bars("Identifiers that nets found, by category (the most)", &largest(&figures.found)))
        (controls(rows))
    }
}

/// Commands of each day, one bar to a day.
fn days(days: &BTreeMap<String, Day>, shown: usize) -> Markup {
    let first = days.len().saturating_sub(DAYS_MAX);
    let drawn: Vec<_> = days.iter().skip(first).collect();
    let sum = |day: &Day| day.allowed.saturating_add(day.approved).saturating_add(day.denied);
    let top = drawn.iter().map(|(_, day)| sum(day)).max().unwrap_or(0);
    let across = u64::try_from(drawn.len()).unwrap_or(WIDTH).max(1);
    let row = |(name, day): (&String, &Day)| {
        html! { tr { td { (name) } td.index { (day.allowed) } td.index { (day.approved) } td.index { (day.denied) } } }
    };
    let rows: Vec<_> = days.iter().take(shown).map(row).collect();
    let all = u64::try_from(days.len()).unwrap_or(u64::MAX);
    let listing = Listing {
        title: "Commands of each day that has any",
        head: &["Day (UTC)", "Allowed", "Approved", "Not passed"],
        all,
        file: Table::Days,
    };
    html! {
        figure {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT + 20) } role="img" aria-label={ "Commands of each of " (drawn.len()) " days; at most " (top) " on one day" } {
                @for (place, (name, day)) in (0_u64..).zip(&drawn) {
                    @let left = place * WIDTH / across;
                    @let wide = ((place + 1) * WIDTH / across).saturating_sub(left).clamp(1, BAR_WIDTH_MAX);
                    @let denied = part(day.denied, top, HEIGHT);
                    @let approved = part(day.approved, top, HEIGHT);
                    @let allowed = part(day.allowed, top, HEIGHT);
                    rect.allowed x=(left) y=(HEIGHT - allowed) width=(wide) height=(allowed) {}
                    rect.approved x=(left) y=(HEIGHT.saturating_sub(allowed + approved)) width=(wide) height=(approved) {}
                    rect.denied x=(left) y=(HEIGHT.saturating_sub(allowed + approved + denied)) width=(wide) height=(denied) {
                        title { (name) ": " (day.allowed) " allowed, " (day.approved) " approved, " (day.denied) " not passed" }
                    }
                }
                line.axis x1="0" y1=(HEIGHT) x2=(WIDTH) y2=(HEIGHT) {}
                @if let Some((first, _)) = drawn.first() { text x="0" y=(HEIGHT + 16) { (first) } }
                @if let Some((last, _)) = drawn.last() { text x=(WIDTH) y=(HEIGHT + 16) text-anchor="end" { (last) } }
            }
            figcaption {
                "Commands of each day: from below " span.allowed { "allowed" } ", " span.approved { "approved by people" } ", "
                span.denied { "not passed" } "; at most " (top) " on one day."
                " A day without a command has no bar: days of the table stand side by side."
                @if first > 0 { " The last " (DAYS_MAX) " days are drawn." }
            }
        }
        (table(&listing, &rows))
    }
}

/// Counts as bars that lie, each with its number.
fn bars(title: &str, counts: &[(String, u64)]) -> Markup {
    let top = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let rows = u64::try_from(counts.len()).unwrap_or(0);
    let room = WIDTH - NAME_WIDTH - 120;
    html! {
        h3 { (title) }
        @if top == 0 { p { "0 instances in the period." } } @else {
            figure {
                svg viewBox={ "0 0 " (WIDTH) " " (rows * ROW_HEIGHT) } role="img" aria-label=(title) {
                    @for (place, (name, count)) in (0_u64..).zip(counts) {
                        @let wide = part(*count, top, room);
                        text x=(NAME_WIDTH - 8) y=(place * ROW_HEIGHT + 15) text-anchor="end" { (cut(name)) }
                        rect.allowed x=(NAME_WIDTH) y=(place * ROW_HEIGHT + 3) width=(wide) height=(ROW_HEIGHT - 6) {}
                        text x=(NAME_WIDTH + wide + 6) y=(place * ROW_HEIGHT + 15) { (count) }
                    }
                }
            }
        }
    }
}

/// Each control in each month: its population, and how much of it speaks against the control.
fn controls(rows: &[Row]) -> Markup {
    let months: BTreeSet<_> = rows.iter().flat_map(|row| row.months.keys()).collect();
    let first = months.len().saturating_sub(MONTHS_MAX);
    let drawn: Vec<_> = months.into_iter().skip(first).collect();
    html! {
        h3 id="controls-by-month" { "Controls by month" }
        @if drawn.is_empty() { p { "0 instances in the period." } } @else {
            @if first > 0 { p { "The last " (MONTHS_MAX) " months; report.json lists all." } }
            div.wide { table {
                thead { tr { th scope="col" { "45 CFR" } @for month in &drawn { th scope="col" { (month) } } } }
                tbody { @for row in rows { tr {
                    th.cite scope="row" { (row.cite) }
                    @for month in &drawn { (month_of(row.months.get(*month))) }
                } } }
            } }
            p { "How many of its population a month has, and behind a stroke how many exceptions. Controls whose population has no times of its own stay empty." }
        }
    }
}

fn month_of(tested: Option<&Tested>) -> Markup {
    html! {
        @match tested {
            None => td {},
            Some(tested) if tested.exceptions > 0 => td.index.denied { (tested.count) " / " strong { (tested.exceptions) } },
            Some(tested) => td.index { (tested.count) },
        }
    }
}

/// The part that a count is of the largest, in units of a whole; what is not nothing shows.
fn part(count: u64, top: u64, whole: u64) -> u64 {
    if count == 0 || top == 0 {
        return 0;
    }
    let part = u128::from(count) * u128::from(whole) / u128::from(top);
    u64::try_from(part).unwrap_or(whole).max(1)
}

fn largest(counts: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut lines: Vec<_> = counts.iter().map(|(name, count)| (name.clone(), *count)).collect();
    lines.sort_by(|left, right| (right.1, &left.0).cmp(&(left.1, &right.0)));
    lines.truncate(BARS_MAX);
    lines
}

fn named(counts: &[(&'static str, u64)]) -> Vec<(String, u64)> {
    counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn parts_fit_and_show() {
        assert_eq!((part(0, 9, 100), part(1, 1_000_000, 100), part(9, 9, 100)), (0, 1, 100));
        assert_eq!(part(u64::MAX, u64::MAX, 960), 960);
    }
}
