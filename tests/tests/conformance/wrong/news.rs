//! What goes wrong with notifications, in any driver.

use super::bug::Bug;

/// What one session remembers of what it was told.
#[derive(Default)]
pub(super) struct News {
    count: usize,
    /// Told before anything else.
    kept: Option<String>,
    /// Told after the next one.
    held_up: Option<String>,
}

impl News {
    /// What is to be told again, or was held up.
    pub(super) fn kept(&mut self) -> Option<String> {
        self.kept.take()
    }

    /// What is told when this has come, if anything.
    pub(super) fn told(&mut self, bug: Bug, mut payload: String) -> Option<String> {
        self.count += 1;
        match bug {
            Bug::NotificationCut => payload.truncate(1_000),
            Bug::NotificationLost if self.count == 7 => return None,
            Bug::NotificationRepeated if self.count == 7 => self.kept = Some(payload.clone()),
            Bug::NotificationsSwapped if self.count == 7 => {
                self.held_up = Some(payload);
                return None;
            }
            Bug::NotificationsSwapped => self.kept = self.held_up.take(),
            _ => {}
        }
        Some(payload)
    }
}
