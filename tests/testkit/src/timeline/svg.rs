//! The picture for browsers: time runs to the right, a lane below the other. One file, no scripts, readable
//! on light and on dark.

use std::collections::BTreeSet;

use super::scale::Scale;
use super::{Arrow, Bar, Fate, Kind, Lane, Timeline, clock};

const LEFT: f64 = 130.0;
const TOP: f64 = 96.0;
const TRACK: f64 = 20.0;
const GAP: f64 = 26.0;
/// How far apart the names of a lane are.
const AGAIN: f64 = 1_200.0;
/// A letter is about so wide.
const LETTER: f64 = 7.4;

const STYLE: &str = "
text{font:12px ui-monospace,monospace;fill:#1f2328}
.title{font-size:15px;font-weight:bold}.rule{fill:#b3261e;font-weight:bold}.small{font-size:10px;fill:#59636e}
.paper{fill:#fff}.life{stroke:#8c959f}.grid{stroke:#d1d9e0}
.belief{fill:#2da44e}.work{fill:#e3b341}.held{fill:#8ec5ff}.wait{fill:#fff3c4;stroke:#9a6700;stroke-dasharray:3 2}
.on{fill:#06210f;font-size:11px}.still{fill:url(#hatch);stroke:#6e7781}.hatch{stroke:#6e7781}
.overlap{fill:#d1242f;fill-opacity:.22}.break{stroke:#d1242f;stroke-width:2}
.arrow{stroke:#0969da;fill:none}.head{fill:#0969da;stroke:#0969da}.hollow{fill:#fff;stroke:#0969da}
.lost{stroke:#bc4c00;stroke-dasharray:4 3;fill:none}.gone{stroke:#bc4c00;fill:none}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.rule{fill:#ff8a80}.small{fill:#9198a1}.paper{fill:#0d1117}
.life{stroke:#656c76}.grid{stroke:#2f353d}.belief{fill:#3fb950}.work{fill:#d29922}.held{fill:#58a6ff}.on{fill:#06210f}
.wait{fill:#3b2f0b;stroke:#d29922}.still,.hatch{stroke:#9198a1}.arrow,.head{stroke:#79c0ff}.head{fill:#79c0ff}
.hollow{fill:#0d1117;stroke:#79c0ff}.lost,.gone{stroke:#f0883e}.overlap{fill:#ff7b72;fill-opacity:.3}}
";

pub(super) fn write(timeline: &Timeline) -> String {
    let scale = Scale::new(&moments(timeline));
    let tracks: Vec<Vec<usize>> = timeline.lanes.iter().map(tracks).collect();
    let mut page =
        Page { timeline, scale, tops: Vec::new(), heights: Vec::new(), body: String::new() };
    page.lay_out(&tracks);
    page.grid();
    for (lane, tracks) in timeline.lanes.iter().zip(&tracks) {
        page.lane(lane, tracks);
    }
    timeline.arrows.iter().for_each(|arrow| page.arrow(arrow));
    page.rule();
    page.finish()
}

/// All moments that have a place of their own.
fn moments(timeline: &Timeline) -> BTreeSet<u64> {
    let bars = timeline.lanes.iter().flat_map(|lane| &lane.bars);
    let mut moments: BTreeSet<u64> = bars.flat_map(|bar| [bar.from, bar.to]).collect();
    moments.extend(timeline.arrows.iter().flat_map(|arrow| [arrow.from.1, arrow.to.1]));
    moments.extend(timeline.broken.overlap.iter().flat_map(|(from, to)| [*from, *to]));
    moments.extend([timeline.broken_at, timeline.end]);
    moments.retain(|at| *at <= timeline.end);
    moments
}

/// In which track of its lane each bar is: bars of one lane that last at the same time lie side by side.
fn tracks(lane: &Lane) -> Vec<usize> {
    let mut ends: Vec<u64> = Vec::new();
    let mut place = |bar: &Bar| {
        if bar.kind == Kind::Still {
            return 0;
        }
        let free = ends.iter().position(|end| *end <= bar.from);
        match free.and_then(|track| ends.get_mut(track).map(|end| (track, end))) {
            Some((track, end)) => {
                *end = bar.to;
                track
            }
            None => {
                ends.push(bar.to);
                ends.len() - 1
            }
        }
    };
    lane.bars.iter().map(&mut place).collect()
}

struct Page<'a> {
    timeline: &'a Timeline,
    scale: Scale,
    tops: Vec<f64>,
    heights: Vec<f64>,
    body: String,
}

impl Page<'_> {
    fn lay_out(&mut self, tracks: &[Vec<usize>]) {
        let mut top = TOP;
        for tracks in tracks {
            let most = tracks.iter().copied().max().unwrap_or(0);
            let height = (0..=most).fold(0.0, |height, _| height + TRACK);
            self.tops.push(top);
            self.heights.push(height);
            top += height + GAP;
        }
    }

    fn x(&self, at: u64) -> f64 {
        LEFT + self.scale.x(at)
    }

    fn bottom(&self) -> f64 {
        self.tops.last().zip(self.heights.last()).map_or(TOP, |(top, height)| top + height)
    }

    fn put(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    /// The moments, as far as there is room for their words.
    fn grid(&mut self) {
        let bottom = self.bottom() + 8.0;
        let mut free = 0.0;
        let places: Vec<(u64, f64)> = self.scale.places().collect();
        for (at, x) in places {
            if x < free {
                continue;
            }
            let x = x + LEFT;
            let words = clock(at);
            self.put(&format!(
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\"/>\
                 <text class=\"small\" x=\"{x:.1}\" y=\"{:.1}\">{words}</text>",
                TOP - 10.0,
                bottom + 12.0
            ));
            free = x - LEFT + length(&words) * 0.9 + 12.0;
        }
    }

    fn lane(&mut self, lane: &Lane, tracks: &[usize]) {
        let index = self.timeline.lanes.iter().position(|other| std::ptr::eq(other, lane));
        let place = index.and_then(|index| self.tops.get(index).zip(self.heights.get(index)));
        let Some((top, height)) = place.map(|(top, height)| (*top, *height)) else { return };
        let middle = top + height / 2.0;
        let (from, to) = (self.x(lane.from), self.x(lane.to));
        let label = escaped(&lane.label);
        self.put(&format!(
            "<g><title>{label}</title><text x=\"8\" y=\"{:.1}\">{label}</text>",
            middle + 4.0
        ));
        self.put(&format!(
            "<line class=\"life\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>"
        ));
        // Whoever has scrolled far still sees which lane it is.
        let (short, far) = (escaped(&lane.short), self.x(self.timeline.end));
        let places = std::iter::successors(Some(LEFT + AGAIN), |x| Some(x + AGAIN));
        for x in places.take_while(|x| *x < far) {
            let y = top - 5.0;
            self.put(&format!("<text class=\"small\" x=\"{x:.1}\" y=\"{y:.1}\">{short}</text>"));
        }
        for (bar, track) in lane.bars.iter().zip(tracks) {
            let above = (0..*track).fold(top, |top, _| top + TRACK);
            self.bar(bar, above, top, height);
        }
        if lane.crashed {
            let words = format!("crashes at {}", clock(lane.to));
            self.put(&format!(
                "<g class=\"break\"><title>{words}</title><path d=\"M{:.1} {:.1}l10 10m0 -10l-10 10\"/></g>",
                to - 5.0,
                middle - 5.0
            ));
        }
        self.put("</g>");
    }

    fn bar(&mut self, bar: &Bar, above: f64, top: f64, height: f64) {
        let (from, to) = (self.x(bar.from), self.x(bar.to));
        let width = (to - from).max(2.0);
        let class = class(bar.kind);
        let words = escaped(&words(bar));
        let title = format!("{words}, {} to {}", clock(bar.from), clock(bar.to));
        let (y, tall) = match bar.kind {
            Kind::Still => (top - 4.0, height + 8.0),
            Kind::Wait | Kind::Belief | Kind::Work | Kind::Held => (above + 2.0, TRACK - 4.0),
        };
        self.put(&format!(
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{tall:.1}\" \
             rx=\"2\"><title>{title}</title></rect>"
        ));
        let token = token(bar);
        let fitting = [words.as_str(), &token].into_iter().find(|words| length(words) < width);
        if let Some(words) = fitting.filter(|_| bar.kind != Kind::Still) {
            let class = if bar.kind == Kind::Wait { "small" } else { "on" };
            self.put(&format!(
                "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{words}</text>",
                from + 3.0,
                y + 12.0
            ));
        }
    }

    fn arrow(&mut self, arrow: &Arrow) {
        let (Some(start), Some(end)) =
            (self.edge(arrow.from.0, arrow.to.0), self.edge(arrow.to.0, arrow.from.0))
        else {
            return;
        };
        let (x1, mut x2, y1, mut y2) = (self.x(arrow.from.1), self.x(arrow.to.1), start, end);
        if arrow.fate == Fate::Lost {
            x2 = x1 + 8.0;
            y2 = y1 + (y2 - y1) * 0.45;
        }
        let (line, fate) = match arrow.fate {
            Fate::Arrived => ("arrow", "arrived"),
            Fate::Late => ("arrow", "applied late"),
            Fate::Lost => ("lost", "lost, or not yet there"),
        };
        let title = escaped(&format!("{}, {fate}, sent {}", arrow.words, clock(arrow.from.1)));
        let head = head(arrow.fate, (x1, y1), (x2, y2));
        self.put(&format!(
            "<g><title>{title}</title><line class=\"{line}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" \
             y2=\"{y2:.1}\"/>{head}</g>"
        ));
    }

    /// The side of a lane that looks to another one.
    fn edge(&self, lane: usize, other: usize) -> Option<f64> {
        let (top, height) = self.tops.get(lane).zip(self.heights.get(lane))?;
        Some(if lane < other { top + height } else { *top })
    }

    /// The moment and the words of the broken rule.
    fn rule(&mut self) {
        let bottom = self.bottom() + 8.0;
        if let Some((from, to)) = self.timeline.broken.overlap {
            let (left, right) = (self.x(from), self.x(to));
            let (y, width) = (TOP - 10.0, (right - left).max(3.0));
            let height = bottom - y;
            self.put(&format!(
                "<rect class=\"overlap\" x=\"{left:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
                 height=\"{height:.1}\"><title>believed while others may have it, {} to {}</title></rect>",
                clock(from),
                clock(to)
            ));
        }
        let x = self.x(self.timeline.broken_at);
        self.put(&format!(
            "<line class=\"break\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\"/>",
            TOP - 10.0
        ));
    }

    fn finish(self) -> String {
        let broken = self.timeline.broken.to_string();
        let rule = escaped(&format!("broken at {}: {broken}", clock(self.timeline.broken_at)));
        let width = (LEFT + self.scale.width + 120.0).max(length(&rule) + 40.0).max(760.0);
        let legend = self.bottom() + 44.0;
        let height = legend + 32.0;
        let [marks, arrows] = LEGEND;
        let body = &self.body;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-labelledby=\"title rule\">\n\
             <title id=\"title\">A history that broke a rule</title>\n<desc id=\"rule\">{rule}</desc>\n\
             <style>{STYLE}</style>\n\
             <defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><line class=\"hatch\" y2=\"6\"/></pattern></defs>\n\
             <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n\
             <text class=\"title\" x=\"8\" y=\"24\">A history that broke a rule</text>\n\
             <text class=\"rule\" x=\"8\" y=\"46\">{rule}</text>\n\
             <text class=\"small\" x=\"8\" y=\"66\">{SCALE}</text>\n\
             {body}<text class=\"small\" x=\"8\" y=\"{legend:.1}\">{marks}</text>\n\
             <text class=\"small\" x=\"8\" y=\"{:.1}\">{arrows}</text>\n</svg>\n",
            legend + 16.0
        )
    }
}

const SCALE: &str = "True time, not to scale: a gap is as wide as its length has digits.";
const LEGEND: [&str; 2] = [
    "green: believed held; amber: working; blue: held in the row; dashed box: waiting; hatched: standing still or locked",
    "dashed arrow: lost, or not yet there; hollow head: applied late; red: the rule is broken",
];

const fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Wait => "wait",
        Kind::Belief => "belief",
        Kind::Work => "work",
        Kind::Held => "held",
        Kind::Still => "still",
    }
}

fn token(bar: &Bar) -> String {
    bar.token.map_or_else(String::new, |token| format!("#{token}"))
}

fn words(bar: &Bar) -> String {
    format!("{} {}", bar.words, token(bar)).trim_end().into()
}

/// A triangle, or a cross for what is lost.
fn head(fate: Fate, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> String {
    if fate == Fate::Lost {
        return format!(
            "<path class=\"gone\" d=\"M{:.1} {:.1}l6 6m0 -6l-6 6\"/>",
            x2 - 3.0,
            y2 - 3.0
        );
    }
    let class = if fate == Fate::Late { "hollow" } else { "head" };
    let long = (x2 - x1).hypot(y2 - y1).max(1.0);
    let (dx, dy) = ((x2 - x1) / long, (y2 - y1) / long);
    let (back_x, back_y) = (x2 - dx * 8.0, y2 - dy * 8.0);
    let (side_x, side_y) = (-dy * 3.5, dx * 3.5);
    format!(
        "<path class=\"{class}\" d=\"M{x2:.1} {y2:.1}L{:.1} {:.1}L{:.1} {:.1}Z\"/>",
        back_x + side_x,
        back_y + side_y,
        back_x - side_x,
        back_y - side_y
    )
}

fn length(words: &str) -> f64 {
    words.chars().fold(0.0, |length, _| length + LETTER) + 6.0
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
