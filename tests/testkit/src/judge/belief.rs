//! When a lock is believed in: half-open spans of true time.

#[derive(Clone, Debug, Default)]
pub(super) struct Belief {
    spans: Vec<Span>,
    /// A stranger has broken the rules: nothing is promised to it any more.
    void: bool,
}

/// From a moment on, and until right before another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Belief {
    pub(super) const fn none() -> Self {
        Self { spans: Vec::new(), void: false }
    }

    /// From now on it lasts until `until`.
    pub(super) fn trust(&mut self, now: u64, until: u64) {
        if self.void {
            return;
        }
        match self.spans.last_mut() {
            Some(span) if span.to >= now => span.to = until.max(now),
            Some(_) | None if until > now => self.spans.push(Span { from: now, to: until }),
            Some(_) | None => {}
        }
    }

    pub(super) fn end(&mut self, now: u64) {
        self.spans.iter_mut().for_each(|span| span.to = span.to.min(now));
    }

    pub(super) fn cease_to_count(&mut self, now: u64) {
        self.end(now);
        self.void = true;
    }

    pub(super) const fn counts(&self) -> bool {
        !self.void
    }

    /// Until when it lasts; zero if it never began.
    pub(super) fn until(&self) -> u64 {
        self.spans.last().map_or(0, |span| span.to)
    }

    pub(super) fn spans(&self) -> impl Iterator<Item = Span> {
        self.spans.iter().copied().filter(|span| span.from < span.to)
    }
}
