//! Plots: SVG of the figures that stand in the tables beside them. No script, no colour that alone says something.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::{Listing, categories, cut, scrolling, table};
use crate::census::{Day, Figures};
use crate::evidence::Evidence;
use crate::report::matrix::{Row, Tested};
use crate::report::table::Table;

/// Units of a drawing across; browsers stretch it.
const WIDTH: u64 = 960;

/// Units of a plot of days from its foot to its top.
const HEIGHT: u64 = 160;

/// Days that are drawn; the table lists all.
const DAYS_MAX: u64 = 800;

/// Units of the bar of a day at the most.
const BAR_WIDTH_MAX: u64 = 24;

/// Units below the foot, for the marks of days without any command.
const FOOT: u64 = 8;

/// Months that are drawn.
const MONTHS_MAX: usize = 36;

/// Months of one table, which then fits a sheet of paper.
const MONTHS_EACH: usize = 12;

/// Bars of one plot; the tables list all.
const BARS_MAX: usize = 20;

pub(super) fn section(figures: &Figures, evidence: Option<&Evidence>, rows: &[Row], shown: usize) -> Markup {
    html! {
        h2 id="plots" { "Plots" }
        (days(figures, shown))
        @if let Some(evidence) = evidence {
            (bars("Decisions of people by how long they took", &named(&evidence.time_to_decide)))
            (bars("Masked, by category of 45 CFR 164.514(b)(2)(i)", &categories::masked(figures, evidence)))
            p { "Of nets the identifiers that they found, of masks the cells. A mask of a policy names columns and no category: it stands under the one that its technique is for alone (zip3, age, year, date_shift), and else under no category in the policy." }
        }
        (bars("Cells masked, by mask or net (the most)", &largest(&figures.masked)))
        (bars("Identifiers that nets found, by category (the most)", &largest(&figures.found)))
        (controls(rows))
    }
}

/// Commands of each day, one bar to a day; a day without any has a mark.
fn days(figures: &Figures, shown: usize) -> Markup {
    let days = &figures.days;
    let (drawn, cut) = figures.calendar(DAYS_MAX);
    let none = Day::default();
    let drawn: Vec<_> = drawn
        .iter()
        .map(|name| (name, days.get(name).unwrap_or(&none)))
        .collect();
    let top = drawn.iter().map(|(_, day)| day.all()).max().unwrap_or(0);
    let without = drawn.iter().filter(|(_, day)| day.all() == 0).count();
    let across = u64::try_from(drawn.len()).unwrap_or(WIDTH).max(1);
    let row = |(name, day): (&String, &Day)| {
        html! { tr { td.index { (name) } td.index { (day.allowed) } td.index { (day.approved) } td.index { (day.denied) } } }
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
            svg.days viewBox={ "0 0 " (WIDTH) " " (HEIGHT + FOOT) } preserveAspectRatio="none" role="img"
                aria-label={ "Commands of each of " (drawn.len()) " days; at most " (top) " on one day, none on " (without) } {
                @for (place, (name, day)) in (0_u64..).zip(&drawn) {
                    @let left = place * WIDTH / across;
                    @let wide = ((place + 1) * WIDTH / across).saturating_sub(left).clamp(1, BAR_WIDTH_MAX);
                    (bar_of(name, day, (left, wide), top))
                }
                line.axis x1="0" y1=(HEIGHT) x2=(WIDTH) y2=(HEIGHT) {}
            }
            @if let (Some((first, _)), Some((last, _))) = (drawn.first(), drawn.last()) {
                div.ends { span { (first) } @if drawn.len() > 1 { span { (last) } } }
            }
            figcaption {
                "Commands of each day: from below " span.allowed { "allowed" } ", " span.approved { "approved by people" } ", "
                span.denied { "not passed" } "; at most " (top) " on one day. "
                (without) " of the " (drawn.len()) " days that are drawn have no command: a mark below the line."
                @if cut { " The last " (DAYS_MAX) " days are drawn." }
            }
            (table(&listing, &rows))
        }
    }
}

/// The bar of a day, from its left and so wide, where the most of one day is this.
fn bar_of(name: &str, day: &Day, (left, wide): (u64, u64), top: u64) -> Markup {
    let [allowed, approved, denied] = [day.allowed, day.approved, day.denied].map(|count| part(count, top, HEIGHT));
    let below = |height: u64| HEIGHT.saturating_sub(height);
    html! {
        g {
            title { (name) ": " (day.allowed) " allowed, " (day.approved) " approved, " (day.denied) " not passed" }
            @if day.all() == 0 { rect.none x=(left) y=(HEIGHT + 2) width=(wide) height=(FOOT - 2) {} }
            @if allowed > 0 { rect.allowed x=(left) y=(below(allowed)) width=(wide) height=(allowed) {} }
            @if approved > 0 { rect.approved x=(left) y=(below(allowed + approved)) width=(wide) height=(approved) {} }
            @if denied > 0 { rect.denied x=(left) y=(below(allowed + approved + denied)) width=(wide) height=(denied) {} }
        }
    }
}

/// Counts as a table of which each line has a bar beside its number.
fn bars(title: &str, counts: &[(String, u64)]) -> Markup {
    let top = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
    html! {
        h3 { (title) }
        @if top == 0 { p { "0 instances in the period." } } @else {
            (scrolling(title, &html! { table {
                thead { tr { @for name in ["Name", "Count", "Part of the largest"] { th scope="col" { (name) } } } }
                tbody { @for (name, count) in counts { tr {
                    td { (cut(name)) }
                    td.index { (count) }
                    td.bar { svg viewBox={ "0 0 " (WIDTH) " 1" } preserveAspectRatio="none" aria-hidden="true" {
                        rect.allowed width=(part(*count, top, WIDTH)) height="1" {}
                    } }
                } } }
            } }))
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
            @for months in drawn.chunks(MONTHS_EACH) { (controls_in(months, rows)) }
            p { "How many of its population a month has, and behind a stroke how many exceptions. Controls whose population has no times of its own stay empty." }
        }
    }
}

fn controls_in(months: &[&String], rows: &[Row]) -> Markup {
    let first = months.first().map_or("", |month| month.as_str());
    scrolling(
        &format!("Controls by month, from {first} on"),
        &html! { table {
            thead { tr { th scope="col" { "45 CFR" } @for month in months { th scope="col" { (month) } } } }
            tbody { @for row in rows { tr {
                th.cite scope="row" { (row.cite) }
                @for month in months { (month_of(row.months.get(*month))) }
            } } }
        } },
    )
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
