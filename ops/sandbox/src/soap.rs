//! The server's side of the gateway's envelope: reads requests of both channels, writes answers.

use kezek_gateway::envelope::{self, Body, SYNC_TYPES};
use kezek_gateway::xml::{Node, Problem, instant_text};
use uuid::Uuid;

use crate::clock::real;

/// Largest request that is read, in bytes.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A request, of either channel.
#[derive(Debug)]
pub struct Request {
    /// The sender's id of this sending.
    pub message_id: String,
    /// The service asked.
    pub service_id: String,
    /// The business data.
    pub data: Node,
}

/// Reads a request of the synchronous channel.
///
/// # Errors
/// Where it is none.
pub fn read_sync(bytes: &[u8]) -> Result<Request, Problem> {
    read(bytes, "SendMessage", "requestInfo", "requestData")
}

/// Reads a message of the asynchronous channel.
///
/// # Errors
/// Where it is none.
pub fn read_async(bytes: &[u8]) -> Result<Request, Problem> {
    read(bytes, "sendMessage", "messageInfo", "messageData")
}

fn read(bytes: &[u8], name: &str, info: &str, data: &str) -> Result<Request, Problem> {
    let Body::Message(message) = envelope::open(bytes, MAX_BYTES)? else {
        return Err(Problem::at("Envelope/Body", "a fault"));
    };
    if message.name() != name {
        return Err(Problem::at("Envelope/Body", format!("not a {name}")));
    }
    let request = message.need("request")?;
    let info = request.need(info)?;
    info.need_instant("messageDate")?;
    info.need_text("sender/senderId")?;
    let data = request.need(data)?.need("data")?;
    Ok(Request {
        message_id: info.need_text("messageId")?.to_owned(),
        service_id: info.need_text("serviceId")?.to_owned(),
        data: envelope::read_data(data, MAX_BYTES)?.ok_or_else(|| request.problem("data", "empty"))?,
    })
}

/// Writes an answer of the synchronous channel. Every other service of the real gateway nests its
/// data and every other sends it as text; which one this is follows from the message's id.
#[must_use]
pub fn sync_answer(request: &Request, data: &Node) -> String {
    let nested = request.message_id.bytes().map(u32::from).sum::<u32>().is_multiple_of(2);
    let data = if nested {
        data.to_xml()
    } else {
        format!("<![CDATA[<?xml version=\"1.0\" encoding=\"UTF-8\"?>{}]]>", data.to_xml())
    };
    format!(
        "<?xml version='1.0' encoding='UTF-8'?><S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\"><S:Header/><S:Body>\
<ns2:SendMessageResponse xmlns:ns2=\"{SYNC_TYPES}\"><response><responseInfo><messageId>{}</messageId><correlationId>{}</correlationId>\
<responseDate>{}</responseDate><status><code>SCSS001</code><message>Message has been processed successfully</message></status>\
<sessionId>{{{}}}</sessionId></responseInfo><responseData><data>{data}</data></responseData></response></ns2:SendMessageResponse></S:Body></S:Envelope>",
        Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("answer/{}", request.message_id).as_bytes()),
        request.message_id,
        instant_text(real()),
        Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("session/{}", request.message_id).as_bytes()),
    )
}

/// A business answer with a result code; `00000` is success.
#[must_use]
pub fn result(code: &str) -> Node {
    let (kk, ru) = if code == "00000" {
        ("Сәтті", "Успешно")
    } else {
        ("Орындалмады", "Не выполнено")
    };
    Node::new("response").child(
        Node::new("messageResult")
            .field("code", code)
            .field("nameRu", ru)
            .field("nameKz", kk)
            .field("changeDate", instant_text(real())),
    )
}

/// A successful business answer.
#[must_use]
pub fn success() -> Node {
    result("00000")
}
