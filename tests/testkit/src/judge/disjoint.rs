//! S1: two locks of one name are never believed in at one moment.

use std::collections::BTreeMap;

use super::belief::Span;
use super::books::Books;
use super::{Verdict, condemn};
use crate::account::Holder;

/// Goes through the spans of each name in the order in which they begin: each must begin when the last to end
/// of those before it is over, if they are of two locks.
pub(super) fn are_beliefs(books: &Books) -> Verdict {
    if books.bounds.breached {
        return Ok(());
    }
    let mut spans = Vec::new();
    for (of, life) in &books.lives {
        spans.extend(life.belief.spans().map(|span| (&life.name, span.from, span, *of)));
    }
    spans.sort_by_key(|(name, from, span, of)| (*name, *from, span.to, *of));
    let mut last: BTreeMap<_, (Span, Holder)> = BTreeMap::new();
    for (name, _, span, of) in spans {
        match last.get(name) {
            Some((before, other)) if *other != of && before.to > span.from => {
                let words = format!("the {of} and the {other} both believe in {name}");
                return condemn("S1", span.from, words);
            }
            Some((before, _)) if before.to >= span.to => {}
            Some(_) | None => {
                last.insert(name, (span, of));
            }
        }
    }
    Ok(())
}
