//! The picture for terminals: time runs down, so that any number of events fits.

use super::{Bar, Kind, Lane, Step, Timeline, clock};

const LEGEND: &str = "█7 held, token 7   ▶7 works under token 7   ┊ waiting   ▒ standing still or locked   · idle   ! the rule is broken";

pub(super) fn write(timeline: &Timeline) -> String {
    let steps = steps(timeline);
    let lines: Vec<Vec<String>> =
        steps.iter().enumerate().map(|(told, step)| cells(timeline, step.at, told)).collect();
    let widths: Vec<usize> = timeline
        .lanes
        .iter()
        .enumerate()
        .map(|(index, lane)| {
            let cells = lines.iter().filter_map(|line| line.get(index));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            widest.max(lane.short.chars().count())
        })
        .collect();
    let moments: Vec<String> = steps.iter().map(|step| clock(step.at)).collect();
    let margin = moments.iter().map(String::len).max().unwrap_or(0);
    let heads = timeline.lanes.iter().map(|lane| lane.short.clone()).collect::<Vec<_>>();
    let mut text = format!("{LEGEND}\n\n");
    text.push_str(&line(margin, "", ' ', &widths, &heads, ""));
    for ((step, moment), cells) in steps.iter().zip(&moments).zip(&lines) {
        let mark = if is_broken(timeline, step.at) { '!' } else { ' ' };
        text.push_str(&line(margin, moment, mark, &widths, cells, &step.words));
    }
    text.push_str(&format!("\nbroken at {}: {}\n", clock(timeline.broken_at), timeline.broken));
    text
}

/// What happened, and where the overlap begins and ends.
fn steps(timeline: &Timeline) -> Vec<Step> {
    let mut steps = timeline.steps.clone();
    let here = Step { at: timeline.broken_at, words: "HERE the rule is broken".into() };
    steps.push(here);
    if let Some((from, to)) = timeline.broken.overlap {
        steps.push(Step { at: from, words: "from here on others may have it".into() });
        steps.push(Step { at: to, words: "until here it is believed".into() });
    }
    steps
}

/// While the rule is broken, for as long as that can be told.
fn is_broken(timeline: &Timeline, at: u64) -> bool {
    let (from, to) = timeline.broken.overlap.unwrap_or((timeline.broken_at, timeline.broken_at));
    from <= at && at <= to
}

fn line(
    margin: usize,
    moment: &str,
    mark: char,
    widths: &[usize],
    cells: &[String],
    words: &str,
) -> String {
    let mut line = format!("{moment:>margin$} {mark}");
    for (cell, width) in cells.iter().zip(widths) {
        line.push_str(&format!(" {cell:<width$}"));
    }
    line.push_str("  ");
    line.push_str(words);
    format!("{}\n", line.trim_end())
}

fn cells(timeline: &Timeline, at: u64, told: usize) -> Vec<String> {
    timeline.lanes.iter().map(|lane| cell(lane, at, told)).collect()
}

/// All that lasts in a lane at this moment.
fn cell(lane: &Lane, at: u64, told: usize) -> String {
    if at < lane.from {
        return String::new();
    }
    if lane.crashed && at >= lane.to {
        return if at == lane.to { "x".into() } else { String::new() };
    }
    let signs: String = lane.bars.iter().filter(|bar| bar.covers(at, told)).map(sign).collect();
    if signs.is_empty() { "·".into() } else { signs }
}

fn sign(bar: &Bar) -> String {
    let token = bar.token.map_or_else(String::new, |token| token.to_string());
    match bar.kind {
        Kind::Wait => "┊".into(),
        Kind::Belief => format!("█{token}"),
        Kind::Work => format!("▶{token}"),
        Kind::Held => format!("█{} {token}", bar.words).trim_end().into(),
        Kind::Still => "▒".into(),
    }
}
