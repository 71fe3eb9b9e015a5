//! WebSockets: what is said is said back, message for message, until the customer closes.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Order, Shared, Told, http};
use crate::book::Server;

/// How far apart a customer's messages are.
const MESSAGE_EVERY: Duration = Duration::from_millis(100);

/// Opens a socket, talks for as long as is asked, and closes it.
pub(super) async fn exchange(shared: &Shared, order: &Order, server: &mut Server) -> Result<Told, String> {
    let (stream, client) = http::connect(order.address).await?;
    server.client = Some(client);
    let opened = client_async(format!("ws://{}/socket", order.host), stream).await;
    let (mut socket, answer) = match opened {
        Ok(opened) => opened,
        Err(Error::Http(answer)) => {
            http::name(answer.headers(), server);
            return Err(format!("status {} in place of a WebSocket", answer.status().as_u16()));
        }
        Err(error) => return Err(format!("no WebSocket: {error}")),
    };
    let answered = Instant::now();
    http::name(answer.headers(), server);
    let release = server.release.clone().ok_or("the answer names no release")?;
    shared.book().answered(order.site, &release, answered);
    let mut parts = 0;
    while answered.elapsed() < order.takes {
        let said = format!("message {parts}");
        let broken = |error: Error| format!("it broke off after {parts} messages: {error}");
        socket.send(Message::text(said.clone())).await.map_err(broken)?;
        match socket.next().await {
            Some(Ok(Message::Text(heard))) if heard.as_str() == said => parts += 1,
            Some(Ok(other)) => return Err(format!("{said} was answered by {other}")),
            Some(Err(error)) => return Err(broken(error)),
            None => return Err(format!("it was closed after {parts} messages")),
        }
        tokio::time::sleep(MESSAGE_EVERY).await;
    }
    // Whoever says farewell expects no more.
    let _ = socket.close(None).await;
    Ok(Told { parts, answered })
}
