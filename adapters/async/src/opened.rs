//! A connection before it has a session.

use std::fmt;
use std::task::{Poll, ready};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Client, Connection};

/// A connection that was just opened.
pub struct Opened {
    pub(crate) client: Client,
    /// What the server notifies it of, until it ends. Nothing is sent or received while nobody asks for the next.
    pub(crate) notifications: BoxStream<'static, String>,
}

impl Opened {
    /// What the driver has opened.
    #[must_use]
    pub fn new<S, T>(client: Client, mut connection: Connection<S, T>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let notifications = stream::poll_fn(move |cx| {
            while let Some(Ok(message)) = ready!(connection.poll_message(cx)) {
                if let AsyncMessage::Notification(news) = message {
                    return Poll::Ready(Some(news.payload().into()));
                }
            }
            Poll::Ready(None)
        });
        Self { client, notifications: notifications.boxed() }
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").finish_non_exhaustive()
    }
}
