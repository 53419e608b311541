//! A session that is told of notifications.

use std::future::poll_fn;
use std::task::Poll;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::{AsyncMessage, Client, NoTls};

/// It listens on one channel, and ends when dropped.
#[derive(Debug)]
pub struct Listener {
    client: Client,
    heard: UnboundedReceiver<String>,
}

impl Listener {
    pub(crate) async fn open(url: &str, channel: &str) -> Self {
        let (client, mut connection) =
            tokio_postgres::connect(url, NoTls).await.expect("a connection");
        let (sender, heard) = unbounded_channel();
        tokio::spawn(poll_fn(move |context| {
            while let Poll::Ready(message) = connection.poll_message(context) {
                match message {
                    Some(Ok(AsyncMessage::Notification(news))) => {
                        let _nobody_hears = sender.send(news.payload().into()).is_err();
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Poll::Ready(()),
                }
            }
            Poll::Pending
        }));
        client.batch_execute(&format!("LISTEN {channel}")).await.expect("a channel");
        Self { client, heard }
    }

    /// What has been told by now since this was asked last: the server tells it before it answers anything.
    pub async fn heard(&mut self) -> Vec<String> {
        self.client.simple_query("").await.expect("an answer");
        let mut heard = Vec::new();
        while let Ok(payload) = self.heard.try_recv() {
            heard.push(payload);
        }
        heard
    }
}
