//! The SOAP envelope of the state gateway: what both channels put around a business message.
//!
//! Writes requests of the synchronous channel (`SendMessage`) and of the asynchronous one
//! (`sendMessage`), and reads answers and faults. The business data travels as text in CDATA;
//! an answer may carry it as text, CDATA or nested elements.

use jiff::Timestamp;
use quick_xml::escape::escape;
use uuid::Uuid;

use crate::xml::{self, Node, Problem, instant_text};

/// Namespace of the synchronous channel's types.
pub const SYNC_TYPES: &str = "http://bip.bee.kz/SyncChannel/v10/Types";
/// Namespace of the asynchronous channel's types.
pub const ASYNC_TYPES: &str = "http://bip.bee.kz/AsyncChannel/v10/Types";
/// The status code of a message that the gateway has processed. It says nothing about the
/// business result inside.
pub const PROCESSED: &str = "SCSS001";

/// The head of a request.
#[derive(Debug)]
pub struct Head<'a> {
    /// Identifies this sending; new for each attempt.
    pub message_id: Uuid,
    /// The effect key, where there is one: the same for each attempt.
    pub correlation_id: Option<&'a str>,
    /// The service asked.
    pub service_id: &'a str,
    /// When it was sent, real time.
    pub date: Timestamp,
    /// Who asks.
    pub sender_id: &'a str,
    /// The sender's password; empty for none.
    pub password: &'a str,
}

fn sender(head: &Head<'_>) -> String {
    let password = if head.password.is_empty() {
        String::new()
    } else {
        format!("<password>{}</password>", escape(head.password))
    };
    format!("<sender><senderId>{}</senderId>{password}</sender>", escape(head.sender_id))
}

fn correlation(head: &Head<'_>) -> String {
    head.correlation_id.map(|id| format!("<correlationId>{}</correlationId>", escape(id))).unwrap_or_default()
}

fn cdata(data: &Node) -> String {
    // every ">" of the text is written as an entity, so "]]>" cannot occur inside
    format!("<data><![CDATA[{}]]></data>", data.to_xml())
}

/// A request of the synchronous channel.
#[must_use]
pub fn sync_request(head: &Head<'_>, data: &Node) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>\
<typ:SendMessage xmlns:typ=\"{SYNC_TYPES}\"><request><requestInfo>\
<messageId>{id}</messageId>{correlation}<serviceId>{service}</serviceId><messageDate>{date}</messageDate>{sender}\
</requestInfo><requestData>{data}</requestData></request></typ:SendMessage></soap:Body></soap:Envelope>",
        id = head.message_id,
        correlation = correlation(head),
        service = escape(head.service_id),
        date = instant_text(head.date),
        sender = sender(head),
        data = cdata(data),
    )
}

/// A message of the asynchronous channel; `message_type` is `REQUEST`, `RESPONSE` or `NOTIFICATION`.
#[must_use]
pub fn async_request(head: &Head<'_>, message_type: &str, data: &Node) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>\
<typ:sendMessage xmlns:typ=\"{ASYNC_TYPES}\"><request><messageInfo>\
<messageId>{id}</messageId>{correlation}<serviceId>{service}</serviceId><messageType>{kind}</messageType>\
<messageDate>{date}</messageDate>{sender}\
</messageInfo><messageData>{data}</messageData></request></typ:sendMessage></soap:Body></soap:Envelope>",
        id = head.message_id,
        correlation = correlation(head),
        service = escape(head.service_id),
        kind = escape(message_type),
        date = instant_text(head.date),
        sender = sender(head),
        data = cdata(data),
    )
}

/// The acknowledgement of an asynchronous message: `messageId` is the one acknowledged.
#[must_use]
pub fn async_acknowledgement(message_id: &str, at: Timestamp) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>\
<typ:sendMessageResponse xmlns:typ=\"{ASYNC_TYPES}\"><response><messageId>{id}</messageId>\
<responseDate>{date}</responseDate></response></typ:sendMessageResponse></soap:Body></soap:Envelope>",
        id = escape(message_id),
        date = instant_text(at),
    )
}

/// A SOAP fault with the gateway's `ErrorInfo`. `text` must hold no personal data.
#[must_use]
pub fn fault(code: &str, text: &str, at: Timestamp) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><soap:Fault>\
<faultcode>soap:Server</faultcode><faultstring>{text}</faultstring><detail>\
<com:ErrorInfo xmlns:com=\"http://bip.bee.kz/common/v10/Types\"><errorCode>{code}</errorCode>\
<errorData>{text}</errorData><errorDate>{date}</errorDate></com:ErrorInfo></detail></soap:Fault></soap:Body></soap:Envelope>",
        code = escape(code),
        text = escape(text),
        date = instant_text(at),
    )
}

/// What stands in the body of a SOAP message.
#[derive(Debug)]
pub enum Body {
    /// A message; the element inside `Body`.
    Message(Node),
    /// A fault and its `errorCode` (or `faultcode` where there is no `ErrorInfo`).
    Fault(String),
}

/// Opens a SOAP message.
///
/// # Errors
/// Where it is no SOAP message or breaks a limit.
pub fn open(bytes: &[u8], max_bytes: usize) -> Result<Body, Problem> {
    let root = xml::parse(bytes, max_bytes)?;
    if root.name() != "Envelope" {
        return Err(Problem::at("message", "not a SOAP envelope"));
    }
    let inner = root.need("Body")?.children().first().ok_or_else(|| Problem::at("Envelope/Body", "empty"))?;
    if inner.name() == "Fault" {
        let code = inner
            .find("detail")
            .and_then(|detail| detail.children().iter().find_map(|info| info.text("errorCode")))
            .or_else(|| inner.text("faultcode"))
            .unwrap_or("no-code");
        return Ok(Body::Fault(plain_code(code)));
    }
    Ok(Body::Message(inner.clone()))
}

/// A code fit for a log line: at most 40 letters, digits, `-`, `_`, `.`, `:`; anything else could
/// carry data.
#[must_use]
pub fn plain_code(code: &str) -> String {
    let fit = !code.is_empty()
        && code.len() <= 40
        && code.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'))
        // twelve digits in a row could be a person's number
        && code.chars().filter(char::is_ascii_digit).count() < 10;
    if fit { code.to_owned() } else { "unreadable-code".to_owned() }
}

/// The answer of the synchronous channel.
#[derive(Debug)]
pub struct SyncAnswer {
    /// The gateway's own status; `SCSS001` when it processed the message.
    pub status: String,
    /// The business answer, where there is one.
    pub data: Option<Node>,
}

/// Reads the answer of the synchronous channel.
///
/// # Errors
/// Where a part that must be there is missing or the data is not XML.
pub fn read_sync_answer(message: &Node, max_bytes: usize) -> Result<SyncAnswer, Problem> {
    if message.name() != "SendMessageResponse" {
        return Err(Problem::at("Envelope/Body", "not a SendMessageResponse"));
    }
    let response = message.need("response")?;
    let status = plain_code(response.need_text("responseInfo/status/code")?);
    let data = match response.find("responseData/data") {
        Some(data) => read_data(data, max_bytes)?,
        None => None,
    };
    Ok(SyncAnswer { status, data })
}

/// Reads a `data` element: nested elements, or a document inside text or CDATA.
///
/// # Errors
/// Where the text is not XML.
pub fn read_data(data: &Node, max_bytes: usize) -> Result<Option<Node>, Problem> {
    if let Some(nested) = data.children().first() {
        return Ok(Some(nested.clone()));
    }
    match data.text("") {
        Some(text) => xml::parse(text.as_bytes(), max_bytes)
            .map(Some)
            .map_err(|problem| Problem::at(format!("data/{}", problem.place), problem.what)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head<'static> {
        Head {
            message_id: Uuid::nil(),
            correlation_id: Some("k<1>"),
            service_id: "s",
            date: Timestamp::UNIX_EPOCH,
            sender_id: "kezek",
            password: "p&w",
        }
    }

    #[test]
    fn a_request_reads_back() {
        let data = Node::new("q").field("iin", "000101200032").field("x", "]]>");
        let Body::Message(message) = open(sync_request(&head(), &data).as_bytes(), 10_000).unwrap() else {
            panic!("fault")
        };
        let info = message.need("request/requestInfo").unwrap();
        assert_eq!(info.text("sender/password"), Some("p&w"));
        assert_eq!(info.text("correlationId"), Some("k<1>"));
        assert_eq!(read_data(message.need("request/requestData/data").unwrap(), 10_000).unwrap(), Some(data));
    }

    #[test]
    fn nested_and_text_data_are_the_same() {
        for data in [
            "<a>01</a>",
            "<![CDATA[<a>01</a>]]>",
            "&lt;a&gt;01&lt;/a&gt;",
            " <![CDATA[<?xml version='1.0'?>\n<ns:a xmlns:ns='z'>01</ns:a>]]> ",
        ] {
            let text = format!(
                "<S:Envelope xmlns:S='x'><S:Body><n:SendMessageResponse xmlns:n='y'><response><responseInfo><status><code>SCSS001</code></status></responseInfo><responseData><data>{data}</data></responseData></response></n:SendMessageResponse></S:Body></S:Envelope>"
            );
            let Body::Message(message) = open(text.as_bytes(), 10_000).unwrap() else { panic!("fault") };
            let answer = read_sync_answer(&message, 10_000).unwrap();
            assert_eq!(answer.status, PROCESSED);
            assert_eq!(answer.data.unwrap().text(""), Some("01"), "{data}");
        }
    }

    #[test]
    fn what_is_missing_is_named_without_its_data() {
        let text = "<E:Envelope xmlns:E='x'><E:Body><SendMessageResponse><response><responseInfo><status><message>secret</message></status></responseInfo></response></SendMessageResponse></E:Body></E:Envelope>";
        let Body::Message(message) = open(text.as_bytes(), 10_000).unwrap() else { panic!("fault") };
        assert_eq!(
            read_sync_answer(&message, 10_000).unwrap_err().to_string(),
            "response/responseInfo/status/code: missing"
        );
    }

    #[test]
    fn faults_give_their_code_only() {
        let Body::Fault(code) = open(fault("FAULT-015", "down", Timestamp::UNIX_EPOCH).as_bytes(), 10_000).unwrap()
        else {
            panic!("no fault")
        };
        assert_eq!(code, "FAULT-015");
        assert_eq!(plain_code("no person 000101200032"), "unreadable-code");
        assert_eq!(plain_code("000101200032"), "unreadable-code");
    }
}
