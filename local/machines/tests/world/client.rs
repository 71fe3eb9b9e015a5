//! A client that sends one request after the other on one connection.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};

use super::PATIENCE;

pub struct Client(BufReader<TcpStream>);

#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Client {
    pub async fn connect(to: SocketAddr) -> Self {
        Self::connect_from("127.0.0.1", to).await
    }

    pub async fn connect_from(from: &str, to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
        let stream = socket.connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// This end of its connection.
    pub fn address(&self) -> SocketAddr {
        self.0.get_ref().local_addr().unwrap()
    }

    pub async fn get(&mut self, host: &str, path: &str) -> Answer {
        self.request(host, path, "").await.unwrap_or_else(|problem| panic!("{host}{path}: {problem}"))
    }

    /// `headers` are whole lines with their line ends.
    pub async fn request(&mut self, host: &str, path: &str, headers: &str) -> Result<Answer, String> {
        let exchange = async {
            self.0.write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").as_bytes()).await?;
            self.answer().await
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(format!("the connection failed: {error}")),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }

    async fn answer(&mut self) -> std::io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        let mut body = vec![0; length.and_then(|length| length.trim().parse().ok()).unwrap_or_default()];
        self.0.read_exact(&mut body).await?;
        Ok(Answer { status, head, body: String::from_utf8_lossy(&body).into_owned() })
    }
}
