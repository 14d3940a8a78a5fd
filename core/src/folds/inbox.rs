//! A user's notices, and which of them were read on any of the user's devices.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Fold, read};
use crate::events::{DecodeError, EventData, Notification, NotificationRead, decode};

/// The latest notices of a user, in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inbox {
    /// The notices: at most [`Inbox::MOST_NOTICES`].
    pub notices: VecDeque<Notice>,
}

/// A notice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// What it says.
    #[serde(flatten)]
    pub notification: Notification,
    /// Whether the user has read it.
    #[serde(default)]
    pub read: bool,
}

impl Inbox {
    /// Notices that are kept.
    pub const MOST_NOTICES: usize = 200;

    /// The notices that were not read yet.
    pub fn unread(&self) -> impl Iterator<Item = &Notice> {
        self.notices.iter().filter(|notice| !notice.read)
    }

    /// Takes in a notice; the oldest makes way where there are too many.
    pub fn take(&mut self, notification: Notification) {
        self.notices.push_back(Notice { notification, read: false });
        if self.notices.len() > Self::MOST_NOTICES {
            self.notices.pop_front();
        }
    }

    /// Takes in that notices were read. True if that is news.
    pub fn mark_read(&mut self, read: &NotificationRead) -> bool {
        let mut changed = false;
        for notice in &mut self.notices {
            if !notice.read && read.ids.contains(&notice.notification.id) {
                notice.read = true;
                changed = true;
            }
        }
        changed
    }
}

impl Fold for Inbox {
    fn apply(&mut self, kind: &str, data: &str) -> Result<bool, DecodeError> {
        match kind {
            Notification::TYPE => {
                self.take(decode(data)?);
                Ok(true)
            }
            NotificationRead::TYPE => Ok(self.mark_read(&decode(data)?)),
            _ => Ok(false),
        }
    }

    fn restore(&mut self, snapshot: &str) -> Result<(), DecodeError> {
        *self = read(snapshot)?;
        Ok(())
    }
}
