//! The state gateway on loopback, as much of it as one stage needs: every service answers with success unless the
//! test says otherwise, and whatever it was asked is written down. Whole stories are the sandbox's.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use kezek_gateway::envelope::{self, Body};
use kezek_gateway::xml::Node;
use kezek_gateway::{Gateway, GatewayConfig};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One question that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The service.
    pub service: String,
    /// The effect key, where the question carried one.
    pub key: Option<String>,
    /// The business data as XML. Sample people only.
    pub data: String,
}

/// How a service answers.
#[derive(Clone, Debug)]
enum Manner {
    Data(Node),
    Code(String),
    Down,
    /// The request is taken and its answer lost.
    Lost,
}

#[derive(Default)]
struct Book {
    manners: HashMap<String, Manner>,
    asked: Vec<Asked>,
}

/// The gateway of a test; closed with the test's runtime.
#[derive(Clone)]
pub struct Register {
    address: String,
    book: Arc<Mutex<Book>>,
}

impl std::fmt::Debug for Register {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Register")
    }
}

impl Register {
    /// Opens on a free port of loopback.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn open() -> io::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let book = Arc::<Mutex<Book>>::default();
        let router =
            Router::new().route("/sync", post(sync)).route("/async", post(asynchronous)).with_state(Arc::clone(&book));
        #[expect(clippy::disallowed_methods, reason = "lives as long as the test's runtime")]
        let _server = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, book })
    }

    /// A client of this gateway.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn gateway(&self) -> Result<Gateway, kezek_gateway::ConfigProblem> {
        let (url, async_url) = (format!("{}/sync", self.address), format!("{}/async", self.address));
        Gateway::new(GatewayConfig { url, async_url, ..GatewayConfig::default() })
    }

    /// The service answers with this data from now on (its `messageResult` is added).
    pub fn answers(&self, service: &str, data: Node) {
        self.manner(service, Manner::Data(data));
    }
    /// The service answers with this business code from now on.
    pub fn says(&self, service: &str, code: &str) {
        self.manner(service, Manner::Code(code.to_owned()));
    }
    /// The service is out from now on.
    pub fn down(&self, service: &str) {
        self.manner(service, Manner::Down);
    }
    /// The service does what it is asked and its answers are lost from now on.
    pub fn loses_answers(&self, service: &str) {
        self.manner(service, Manner::Lost);
    }
    /// The service answers with success again.
    pub fn well(&self, service: &str) {
        self.book().manners.remove(service);
    }
    /// Whatever came, oldest first.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.book().asked.clone()
    }
    /// Whatever came for one service.
    #[must_use]
    pub fn asked_of(&self, service: &str) -> Vec<Asked> {
        self.asked().into_iter().filter(|a| a.service == service).collect()
    }

    fn manner(&self, service: &str, manner: Manner) {
        self.book().manners.insert(service.to_owned(), manner);
    }
    fn book(&self) -> MutexGuard<'_, Book> {
        locked(&self.book)
    }
}

fn locked(book: &Arc<Mutex<Book>>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a request, writes it down and says how its service answers; `None` for what is no request.
fn take(book: &Arc<Mutex<Book>>, bytes: &[u8], info: &str, body: &str) -> Option<(String, Option<Manner>)> {
    let Ok(Body::Message(message)) = envelope::open(bytes, 16 << 20) else { return None };
    let head = message.find(info)?;
    let service = head.text("serviceId")?.to_owned();
    let data = message.find(body).and_then(|d| envelope::read_data(d, 16 << 20).ok()).flatten();
    let mut book = locked(book);
    book.asked.push(Asked {
        service: service.clone(),
        key: head.text("correlationId").map(str::to_owned),
        data: data.map_or_else(String::new, |d| d.to_xml()),
    });
    Some((head.text("messageId")?.to_owned(), book.manners.get(&service).cloned()))
}

async fn sync(State(book): State<Arc<Mutex<Book>>>, bytes: Bytes) -> (StatusCode, String) {
    let taken = take(&book, &bytes, "request/requestInfo", "request/requestData/data");
    let Some((_, manner)) = taken else { return (StatusCode::BAD_REQUEST, String::new()) };
    let answer = |code: &str, data: Option<Node>| {
        let data = data.unwrap_or_else(|| Node::new("answer"));
        data.child(Node::new("messageResult").field("code", code)).to_xml()
    };
    let data = match manner {
        None => answer("00000", None),
        Some(Manner::Data(data)) => answer("00000", Some(data)),
        Some(Manner::Code(code)) => answer(&code, None),
        Some(Manner::Down) => return (StatusCode::SERVICE_UNAVAILABLE, String::new()),
        Some(Manner::Lost) => return (StatusCode::GATEWAY_TIMEOUT, String::new()),
    };
    let text = format!(
        "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>\
<typ:SendMessageResponse xmlns:typ=\"{}\"><response><responseInfo><status><code>{}</code></status></responseInfo>\
<responseData><data>{data}</data></responseData></response></typ:SendMessageResponse></soap:Body></soap:Envelope>",
        envelope::SYNC_TYPES,
        envelope::PROCESSED,
    );
    (StatusCode::OK, text)
}

async fn asynchronous(State(book): State<Arc<Mutex<Book>>>, bytes: Bytes) -> (StatusCode, String) {
    let taken = take(&book, &bytes, "request/messageInfo", "request/messageData/data");
    let Some((id, manner)) = taken else { return (StatusCode::BAD_REQUEST, String::new()) };
    match manner {
        Some(Manner::Down) => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
        Some(Manner::Lost) => (StatusCode::GATEWAY_TIMEOUT, String::new()),
        Some(Manner::Code(code)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, envelope::fault(&code, "refused", crate::paper::filed_at()))
        }
        Some(Manner::Data(_)) | None => {
            (StatusCode::OK, envelope::async_acknowledgement(&id, crate::paper::filed_at()))
        }
    }
}
