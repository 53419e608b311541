//! Writes to standard error on a thread of its own, since whoever reads there may have stopped reading: a full
//! pipe, or a terminal after ctrl-S. Then words are dropped; nobody is held up for long, and what must be quick
//! need not wait at all.

use std::io::Write;
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

/// Nothing when there can be no thread.
static PEN: LazyLock<Option<SyncSender<Text>>> = LazyLock::new(|| {
    // One text is being written and one waits; who is further behind than that misses some.
    let (words, texts) = sync_channel(1);
    let thread = std::thread::Builder::new().name("words".into());
    thread.spawn(move || texts.iter().for_each(Text::write)).ok().map(|_| words)
});

struct Text {
    text: String,
    written: Sender<()>,
}

impl Text {
    /// In one write, so that lines of several processes do not mix. Nobody may be there to read.
    fn write(self) {
        let _unheard = std::io::stderr().write_all(self.text.as_bytes()).is_err();
        let _nobody_waits = self.written.send(()).is_err();
    }
}

/// Words on their way.
#[must_use]
pub(crate) struct Saying(Receiver<()>);

impl Saying {
    pub(super) fn begin(text: String) -> Self {
        let (written, saying) = channel();
        if let Some(words) = PEN.as_ref() {
            let _dropped = words.try_send(Text { text, written }).is_err();
        }
        Self(saying)
    }

    /// Until they are written or dropped, or no longer.
    pub(crate) fn wait(&self, at_most: Duration) {
        let _unwritten = self.0.recv_timeout(at_most).is_err();
    }
}
