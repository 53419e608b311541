//! S4: each lock goes its way from asked to ended, with exactly one terminal notice and nothing after it, and
//! what is told is so.

use super::books::{Books, Life};
use super::{Verdict, condemn};
use crate::account::{Ending, Entry, Grant, Holder, Step, What};

/// Each step is one that may come next.
pub(super) fn go_their_way(books: &Books, entry: &Entry) -> Verdict {
    let What::Lock { of, step } = &entry.what else { return Ok(()) };
    if books.gone.contains(&of.who) {
        return condemn("S4", entry.at, format!("the {of}: {step:?} after a crash"));
    }
    let offence = match (books.life(*of), step) {
        (None, Step::Asked { .. }) => None,
        (None, _) => Some("unasked for"),
        (Some(_), Step::Asked { .. }) => Some("asked for twice"),
        (Some(_), Step::Denied) => None,
        (Some(Life { ended: Some(_), .. }), _) => Some("after its end"),
        (Some(life), step) => life.offence(step),
    };
    match offence {
        None => Ok(()),
        Some(words) => condemn("S4", entry.at, format!("the {of}: {step:?} {words}")),
    }
}

impl Life {
    /// What is wrong with a step of a lock that was asked for and has not ended.
    fn offence(&self, step: &Step) -> Option<&'static str> {
        let is_granted = self.grant.is_some();
        match step {
            Step::Granted(_) if is_granted => Some("a second time"),
            Step::Granted(grant) if grant.heard.is_some_and(|heard| grant.until <= heard) => {
                Some("too late")
            }
            Step::Granted(_) if self.denied => Some("after it was denied"),
            Step::Trusted { .. } if !is_granted => Some("before it was granted"),
            Step::Trusted { .. } if self.let_go => Some("after it was let go"),
            Step::Trusted { .. } if self.denied => Some("after it was denied"),
            Step::Ended(ending) => self.ends_wrongly(*ending),
            Step::Asked { .. }
            | Step::Granted(_)
            | Step::Trusted { .. }
            | Step::LetGo
            | Step::Denied => None,
        }
    }

    fn ends_wrongly(&self, ending: Ending) -> Option<&'static str> {
        let is_granted = self.grant.is_some();
        match ending {
            Ending::Busy { .. } | Ending::TimedOut if is_granted || self.let_go => {
                Some("though it was granted or let go")
            }
            Ending::Failed if is_granted && !self.let_go => Some("while it was held"),
            Ending::Cancelled | Ending::Released | Ending::Unconfirmed if !self.let_go => {
                Some("though nobody has let it go")
            }
            Ending::Lost if !is_granted => Some("though it was never granted"),
            Ending::Busy { .. }
            | Ending::TimedOut
            | Ending::Failed
            | Ending::Cancelled
            | Ending::Released
            | Ending::Unconfirmed
            | Ending::Lost => None,
        }
    }
}

/// A grant was committed for its process and for no other lock; what is released is free; what somebody else
/// has is not.
pub(super) fn are_told_the_truth(books: &Books, entry: &Entry) -> Verdict {
    let What::Lock { of, step } = &entry.what else { return Ok(()) };
    let Some(life) = books.life(*of) else { return Ok(()) };
    let Some(row) = books.rows.get(&life.name) else { return Ok(()) };
    let truth = match step {
        Step::Granted(Grant { token, .. }) => {
            let grant = row.grants.iter().rev().find(|grant| grant.token == Some(*token));
            grant.is_some_and(|grant| grant.who == of.who && grant.lock.is_none())
        }
        Step::Ended(Ending::Released) => row.current().is_none_or(|grant| grant.lock != Some(*of)),
        Step::Ended(Ending::Busy { seen: true }) => {
            books.bounds.breached || !row.was_free_since(books.bounds.two_ticks_before(life.asked))
        }
        Step::Asked { .. } | Step::Trusted { .. } | Step::LetGo | Step::Denied | Step::Ended(_) => {
            true
        }
    };
    if truth { Ok(()) } else { lie(entry.at, *of, step) }
}

fn lie(at: u64, of: Holder, step: &Step) -> Verdict {
    condemn("S4", at, format!("the {of}: {step:?}, but the row says otherwise"))
}

/// Every lock has had its terminal notice, unless its process crashed.
pub(super) fn have_ended(books: &Books) -> Verdict {
    let is_owed = |of: &Holder| !books.gone.contains(&of.who) && !books.excused.contains(&of.who);
    let unended = books.lives.iter().find(|(of, life)| life.ended.is_none() && is_owed(of));
    match unended.filter(|_| books.over) {
        Some((of, _)) => condemn("S4", books.now, format!("the {of} has had no terminal notice")),
        None => Ok(()),
    }
}
