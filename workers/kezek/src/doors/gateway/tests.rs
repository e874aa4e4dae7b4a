//! The endpoint as the gateway sees it: over HTTP, with a store that remembers or is away.

use super::*;
use kezek_domain::Tiyn;
use kezek_stage::{ArrivalSubject, BoxFuture, Brought, Decided, Decision, Opened, Submission};
use sha2::Digest as _;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[derive(Default)]
struct Shelf {
    kept: Mutex<Vec<Arrival>>,
    away: bool,
}

impl Answers for Shelf {
    fn reexamine(&self, _: kezek_stage::Reexamination) -> BoxFuture<'_, Result<Opened, DoorError>> {
        Box::pin(async { Err(DoorError::unavailable("the gateway opens no case")) })
    }
    fn open_case(&self, _: Submission) -> BoxFuture<'_, Result<Opened, DoorError>> {
        Box::pin(async { Err(DoorError::unavailable("not here")) })
    }
    fn bring(&self, arrival: Arrival) -> BoxFuture<'_, Result<Brought, DoorError>> {
        Box::pin(async move {
            if self.away {
                return Err(DoorError::unavailable("the database is away"));
            }
            let mut kept = self.kept.lock().expect("no test panics under it");
            if kept.iter().any(|k| k.source == arrival.source && k.reference == arrival.reference) {
                return Ok(Brought::Before);
            }
            kept.push(arrival);
            Ok(Brought::Kept)
        })
    }
    fn decide(&self, _: Decision) -> BoxFuture<'_, Result<Decided, DoorError>> {
        Box::pin(async { Err(DoorError::unavailable("not here")) })
    }
}

fn keyring(secret: u8) -> Keyring {
    let keys = std::collections::BTreeMap::from([("k1".to_owned(), [7; 32])]);
    Keyring::new("k1", &keys, [secret; 32]).expect("the current key is among the keys")
}

async fn answered(shelf: &Arc<Shelf>, body: &str) -> std::io::Result<String> {
    let config = Config { sender_id: "demo-gateway".to_owned(), password: SecretString::from("open".to_owned()) };
    config.check().expect("a good configuration");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server =
        axum::serve(listener, routes(Arc::clone(shelf) as _, keyring(9), config, None, Clock::system())).into_future();
    let talk = async {
        let mut line = tokio::net::TcpStream::connect(address).await?;
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        line.write_all(head.as_bytes()).await?;
        line.write_all(body.as_bytes()).await?;
        let mut answer = String::new();
        line.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    tokio::select! {
        answer = talk => answer,
        served = server => Err(served.err().unwrap_or_else(|| std::io::Error::other("the server left"))),
    }
}

fn message(service: &str, password: &str, data: &str) -> String {
    format!(
        "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body>\
<a:sendMessage xmlns:a='http://bip.bee.kz/AsyncChannel/v10/Types'><request><messageInfo><messageId>m1</messageId>\
<serviceId>{service}</serviceId><messageType>NOTIFICATION</messageType><messageDate>2025-09-02T10:00:00+05:00</messageDate>\
<sender><senderId>demo-gateway</senderId><password>{password}</password></sender></messageInfo>\
<messageData><data><![CDATA[{data}]]></data></messageData></request></a:sendMessage></s:Body></s:Envelope>"
    )
}

const PAYMENT: &str = "<payment><orderKey>charge/01990000-0000-7000-8000-000000000001/duty</orderKey>\
<number>007</number><amountTiyn>78640</amountTiyn><at>2025-09-02T10:00:00+05:00</at></payment>";

#[tokio::test]
async fn a3_15_a_payment_is_kept_once_and_acknowledged_each_time() -> std::io::Result<()> {
    let shelf = Arc::new(Shelf::default());
    for _ in 0..2 {
        let answer = answered(&shelf, &message("demo-payment-confirmed", "open", PAYMENT)).await?;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("<messageId>m1</messageId>"), "{answer}");
    }
    let kept = shelf.kept.lock().expect("no test panics under it");
    let [arrival] = kept.as_slice() else { return Err(std::io::Error::other("not one arrival")) };
    assert_eq!((arrival.source.as_str(), arrival.reference.as_str(), arrival.stage), ("rp-drn", "007", "payment"));
    assert_eq!(arrival.money.as_ref().map(|m| m.amount), Some(Tiyn(78_640)));
    let subject = ArrivalSubject::Key("charge/01990000-0000-7000-8000-000000000001/duty".to_owned());
    assert_eq!(arrival.subject, subject);
    Ok(())
}

#[tokio::test]
async fn a3_18_the_number_of_a_card_does_not_enter() -> std::io::Result<()> {
    let shelf = Arc::new(Shelf::default());
    let made = "<r><orderKey>print/01990000-0000-7000-8000-000000000001/0</orderKey>\
<result><kind>produced</kind><cardNumber>045678912</cardNumber></result></r>";
    let answer = answered(&shelf, &message("demo-production-result", "open", made)).await?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let kept = shelf.kept.lock().expect("no test panics under it");
    assert!(kept.iter().all(|a| a.stage == "production" && !format!("{a:?}").contains("045678912")));
    let [arrival] = kept.as_slice() else { return Err(std::io::Error::other("not one arrival")) };
    // what is readable cannot be found by trying every number: it takes the installation's key
    let told = &arrival.body["produced"]["card_number_digest"];
    let with = |secret| hex::encode(keyring(secret).digest("card-number", b"045678912").expect("a digest"));
    assert_eq!(told, &with(9));
    assert_ne!(told, &with(8));
    assert_ne!(told, &hex::encode(sha2::Sha256::digest(b"045678912")));
    Ok(())
}

#[tokio::test]
async fn what_is_not_kept_is_a_fault_that_names_the_place_and_repeats_nothing() -> std::io::Result<()> {
    let shelf = Arc::new(Shelf::default());
    for (body, status, place) in [
        ("secret".to_owned(), "500", "message: no element"),
        (message("demo-other", "open", "<a>secret</a>"), "500", "messageInfo/serviceId"),
        (message("demo-payment-confirmed", "open", "<a><number>secret</number></a>"), "500", "a/"),
        (message("demo-payment-confirmed", "shut-secret", PAYMENT), "401", "messageInfo/sender"),
    ] {
        let answer = answered(&shelf, &body).await?;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains("Fault>") && answer.contains(place) && !answer.contains("secret"), "{answer}");
    }
    assert!(shelf.kept.lock().expect("no test panics under it").is_empty());
    Ok(())
}

#[tokio::test]
async fn a_store_that_is_away_answers_503_so_that_the_sender_repeats() -> std::io::Result<()> {
    let shelf = Arc::new(Shelf { away: true, ..Shelf::default() });
    let answer = answered(&shelf, &message("demo-payment-confirmed", "open", PAYMENT)).await?;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 5"), "{answer}");
    Ok(())
}

#[test]
fn a_door_without_a_password_does_not_open() {
    let open = Config { sender_id: "demo-gateway".to_owned(), password: SecretString::default() };
    assert_eq!(open.check().expect_err("no password").place, "callback.password");
}
