//! tokio-tungstenite over rustls; see ../../README.md. It knows no compression.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;
type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const MEBI: usize = 1 << 20;
const SILENCE: Duration = Duration::from_secs(13);

fn filler(i: usize) -> usize {
    i * 7 + (i >> 8) * 13
}

fn numbered(i: usize, letter: &str) -> String {
    format!("{i} {}", letter.repeat(i % 300))
}

fn brief(m: &Message) -> String {
    let text = format!("{m:?}");
    text.chars().take(60).collect()
}

/// One connection.
struct Peer {
    socket: Socket,
    extensions: String,
    /// Pings that came; the library answers them when it is read.
    pings: usize,
}

impl Peer {
    async fn dial(url: &str, connector: Connector) -> Result<Peer> {
        let (socket, answer) = connect_async_tls_with_config(url, None, true, Some(connector)).await?;
        let extensions = match answer.headers().get("Sec-WebSocket-Extensions") {
            Some(value) => value.to_str()?.to_owned(),
            None => String::new(),
        };
        Ok(Peer { socket, extensions, pings: 0 })
    }

    /// The next message that is not a ping.
    async fn next(&mut self) -> Result<Message> {
        loop {
            match self.socket.next().await.ok_or("the connection is closed")?? {
                Message::Ping(_) => self.pings += 1,
                other => return Ok(other),
            }
        }
    }

    async fn expect(&mut self, want: Message) -> Result<String> {
        let got = self.next().await?;
        if got == want { Ok(String::new()) } else { Err(format!("got {}, want {}", brief(&got), brief(&want)).into()) }
    }

    async fn echo(&mut self, message: Message) -> Result<String> {
        self.socket.send(message.clone()).await?;
        self.expect(message).await
    }

    async fn close(&mut self, code: u16, reason: &str) -> Result<String> {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        self.socket.close(Some(frame)).await?;
        self.ended(code, None).await
    }

    async fn ended(&mut self, code: u16, reason: Option<&str>) -> Result<String> {
        match self.next().await? {
            Message::Close(Some(f)) if u16::from(f.code) == code && reason.is_none_or(|r| f.reason == r) => {
                // Reading on sends the answer, and sees the end of the connection.
                while self.socket.next().await.is_some() {}
                Ok(format!("{code} {}", f.reason).trim().to_owned())
            }
            other => Err(format!("got {}, want a close with {code}", brief(&other)).into()),
        }
    }
}

struct Steps {
    url: String,
    connector: Connector,
    main: Option<Peer>,
    silent: Option<JoinHandle<Result<Peer>>>,
    pings: usize,
}

const STEPS: [&str; 15] = [
    "open", "text", "binary", "empty", "large", "fragments", "ping", "order", "publish", "close", "close_own", "disconnect", "silent",
    "pinged", "drain",
];

impl Steps {
    async fn connect(&self, channel: &str) -> Result<Peer> {
        Peer::dial(&format!("{}?channel={channel}", self.url), self.connector.clone()).await
    }

    async fn run(&mut self, step: &str) -> Result<String> {
        match step {
            "open" => {
                let main = self.connect("main").await?;
                let extensions = main.extensions.clone();
                self.main = Some(main);
                return Ok(extensions);
            }
            "close_own" => return self.connect("own").await?.close(4123, "done").await,
            "disconnect" => return self.sent_away("kick", "disconnect", 4001, Some("signed out")).await,
            "drain" => return self.sent_away("drain", "drain", 1001, None).await,
            "silent" => return self.silent().await,
            "pinged" if self.pings == 0 => return Err("no ping came".into()),
            "pinged" => return Ok(self.pings.to_string()),
            "text" => {
                let mut peer = self.connect("silent").await?;
                let reader = tokio::spawn(async move {
                    // Reading is what answers pings.
                    let awake = tokio::time::timeout(SILENCE, peer.next()).await;
                    match awake {
                        Err(_) => Ok(peer),
                        Ok(other) => Err(format!("the silent connection got {:?}", other.map(|m| brief(&m))).into()),
                    }
                });
                self.silent = Some(reader);
            }
            _ => {}
        }
        let main = self.main.as_mut().ok_or("there is no connection")?;
        match step {
            "text" => main.echo(Message::text("Grüße, 世界 🌊")).await,
            "binary" => main.echo(Message::binary((0..=255).collect::<Vec<u8>>())).await,
            "empty" => {
                main.echo(Message::text("")).await?;
                main.echo(Message::binary(Bytes::new())).await
            }
            "large" => {
                let text: String = (0..MEBI).map(|i| char::from(b'a' + (filler(i) % 26) as u8)).collect();
                main.echo(Message::text(text)).await?;
                main.echo(Message::binary((0..MEBI).map(|i| filler(i) as u8).collect::<Vec<u8>>())).await
            }
            "fragments" => {
                let parts = ["frag", "", "ments", " 🌊"];
                for (i, part) in parts.into_iter().enumerate() {
                    let opcode = OpCode::Data(if i == 0 { Data::Text } else { Data::Continue });
                    main.socket.send(Message::Frame(Frame::message(part, opcode, i == parts.len() - 1))).await?;
                }
                main.expect(Message::text("fragments 🌊")).await
            }
            "ping" => {
                main.socket.send(Message::Ping("sluice".into())).await?;
                main.expect(Message::Pong("sluice".into())).await
            }
            "order" => {
                for i in 0..1000 {
                    main.socket.send(Message::text(numbered(i, "x"))).await?;
                }
                for i in 0..1000 {
                    main.expect(Message::text(numbered(i, "x"))).await?;
                }
                Ok(String::new())
            }
            "publish" => {
                println!(r#"{{"ask":"publish"}}"#);
                for i in 0..1000 {
                    let text = numbered(i, "y");
                    main.expect(if i % 2 == 0 { Message::text(text) } else { Message::binary(text) }).await?;
                }
                Ok(String::new())
            }
            "close" => main.close(1000, "bye").await,
            other => Err(format!("no such step: {other}").into()),
        }
    }

    async fn sent_away(&self, channel: &str, ask: &str, code: u16, reason: Option<&str>) -> Result<String> {
        let mut peer = self.connect(channel).await?;
        println!(r#"{{"ask":"{ask}"}}"#);
        peer.ended(code, reason).await
    }

    async fn silent(&mut self) -> Result<String> {
        let reader = self.silent.take().ok_or("there is no silent connection")?;
        let mut peer = reader.await??;
        self.pings = peer.pings;
        peer.echo(Message::text("awake")).await?;
        peer.close(1000, "").await
    }
}

fn connector(url: &str, ca: &str) -> Result<Connector> {
    if url.starts_with("ws:") {
        return Ok(Connector::Plain);
    }
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(Connector::Rustls(Arc::new(config)))
}

async fn all(url: String, ca: String) -> Result<bool> {
    let connector = connector(&url, &ca)?;
    let mut steps = Steps { url, connector, main: None, silent: None, pings: 0 };
    for step in STEPS {
        match steps.run(step).await {
            Ok(detail) => println!(r#"{{"step":"{step}","ok":true,"detail":"{detail}"}}"#),
            Err(err) => {
                let plain = err.to_string().replace(|c: char| !(' '..='~').contains(&c) || c == '"' || c == '\\', "?");
                println!(r#"{{"step":"{step}","ok":false,"detail":"{plain}"}}"#);
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(2);
    let (url, ca) = (arguments.next().ok_or("no URL")?, arguments.next().ok_or("no CA")?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::process::exit(if runtime.block_on(all(url, ca))? { 0 } else { 1 });
}
