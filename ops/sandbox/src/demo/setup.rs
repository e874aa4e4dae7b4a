//! Before the first application: the work folder, keys, configuration, who may call the doors.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use jiff::ToSpan as _;
use jiff::civil::Date;
use kezek_domain::{Iin, IinProfile, Region, Rules, Service};
use serde_json::json;

use super::shell::Kezek;
use crate::population::Population;
use crate::signer::{Authority, KeyKind};

/// The sender's name that the sandbox gives in the messages of the asynchronous channel.
pub const SENDER: &str = "demo-gateway";

/// Commands that run at once.
const AT_ONCE: usize = 4;

/// The folder of one run; made anew each time.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// An empty folder, for its owner alone.
    ///
    /// # Errors
    /// Where it cannot be made, or what lies there is not an earlier run's.
    pub fn fresh(path: &Path) -> anyhow::Result<Self> {
        let mark = path.join(".kezek-demo");
        if path.exists() {
            anyhow::ensure!(
                mark.exists(),
                "{} exists and is not an earlier run's: name another --folder",
                path.display()
            );
            fs::remove_dir_all(path).with_context(|| format!("{} cannot be emptied", path.display()))?;
        }
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| format!("{} cannot be made", path.display()))?;
        fs::write(mark, "")?;
        Ok(Self(path.to_owned()))
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file that its owner alone may read.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        use std::io::Write as _;
        let path = self.file(name);
        let place = || format!("{} cannot be written", path.display());
        let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        open.with_context(place)?.write_all(text.as_bytes()).with_context(place)?;
        Ok(path)
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// So many addresses on loopback that nobody listens at just now.
///
/// # Errors
/// Where there is none.
pub fn free_addresses(count: usize) -> anyhow::Result<Vec<SocketAddr>> {
    // all are held until the last is found, so that they differ
    let held: Vec<_> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()
        .context("no free port")?;
    held.iter().map(|listener| Ok(listener.local_addr()?)).collect()
}

/// The file that extends the legal basis, in the folder of a run.
const EXTENSION: &str = "extension.toml";
/// The persons of the Committee.
const COMMITTEE: [&str; 2] = ["demo-committee", "demo-committee-2"];

/// Writes a file that extends the legal basis over the day, signed by both persons of the Committee (A0.3).
///
/// # Errors
/// Where the binary refuses it, or it does not reach the day.
pub async fn extend(
    folder: &Folder,
    kezek: &Kezek,
    accounts: &Accounts,
    authority: &Authority,
    day: Date,
) -> anyhow::Result<()> {
    let last = Rules::built_in().in_force(&Service::ID_CARD_RENEWAL, day);
    let ends = last.lines.iter().filter(|line| line.topic == "legal-basis").filter_map(|line| line.to).max();
    let from = ends.and_then(|end| end.tomorrow().ok()).context("the legal basis has no end to extend")?;
    let to = day.max(from).checked_add(1.year())?;
    anyhow::ensure!(last.open || day >= from, "--extend: {day} lies before the first day that an extension can cover");
    let file = folder.file(EXTENSION);
    let (from, to) = (from.to_string(), to.to_string());
    let path = file.to_string_lossy();
    let mut arguments = vec!["rules", "extend", &path, "--from", &from, "--to", &to];
    arguments.extend(["--act", "demo act, no real one", "--citation", "demo", "--reason", "made for a demonstration"]);
    for name in COMMITTEE {
        arguments.extend(["--signer", name]);
    }
    kezek.must(&arguments, None).await?;
    let bytes = fs::read(&file)?;
    for name in COMMITTEE {
        let account = accounts.list.iter().find(|account| account.name == name);
        let iin = account.and_then(|account| account.iin.as_ref()).context("nobody is behind the account")?;
        let signature = authority.signer(iin, KeyKind::Officer)?.sign_detached(&bytes)?;
        fs::write(folder.file(&format!("{EXTENSION}.{name}.p7s")), signature)?;
    }
    let told = kezek.run(&["rules", "check"], None).await?;
    eprintln!("{}", told.out.trim());
    Ok(())
}

/// Writes keys and configuration; gives the binary with them.
///
/// # Errors
/// Where a file cannot be written or the binary refuses it.
pub async fn configure(
    folder: &Folder,
    binary: &Path,
    gateway: SocketAddr,
    authority: &[u8],
    password: &str,
    extend: bool,
) -> anyhow::Result<Kezek> {
    let bare = Kezek { binary: binary.to_owned(), config: None, env: Vec::new() };
    let keys = folder.file("keys.toml");
    bare.must(&["keys", "new", &keys.to_string_lossy()], None).await?;
    let pem = folder.write("authority.pem", &String::from_utf8_lossy(authority))?;
    let extension = if extend { folder.file(EXTENSION) } else { PathBuf::new() };
    let text = format!(
        r#"# The configuration of one demonstration; addresses of database and broker come from the environment.
[rules]
profile = "demo"
extension_file = {extension:?}

[gateway]
url = "http://{gateway}/sync"
async_url = "http://{gateway}/async"

[callback]
sender_id = "{SENDER}"
password = "{password}"

[signatures]
trusted_ca_file = {pem:?}

[keys]
file = {keys:?}
"#
    );
    let kezek = Kezek { config: Some(folder.write("kezek.toml", &text)?), ..bare };
    kezek.must(&["config", "check"], None).await?;
    Ok(kezek)
}

/// Somebody who may call the doors.
#[derive(Clone)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its role's label.
    pub role: &'static str,
    /// Its region, where the role has one.
    pub region: Option<Region>,
    /// The person behind it, where decisions are signed.
    pub iin: Option<Iin>,
    /// Its bearer token.
    pub token: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.name)
    }
}

/// Everybody who may.
#[derive(Debug)]
pub struct Accounts {
    /// In the order in which they were made.
    pub list: Vec<Account>,
}

impl Accounts {
    /// Makes them: the portal, the national roles, and reviewer, issuer and head in each region where somebody lives.
    ///
    /// # Errors
    /// Where the binary refuses one.
    pub async fn create(kezek: &Kezek, people: &Population) -> anyhow::Result<Self> {
        let mut wanted = Vec::new();
        let mut want = |name: String, role: &'static str, region: Option<Region>, iin: Option<Iin>| {
            wanted.push(Account { name, role, region, iin, token: String::new() });
        };
        let mut numbers = officers_numbers();
        for (name, role) in [("demo-portal", "portal"), ("demo-centre", "production")] {
            want(name.to_owned(), role, None, None);
        }
        for name in COMMITTEE {
            want(name.to_owned(), "committee", None, Some(numbers.next().context("no more numbers for officers")?));
        }
        for region in Region::all() {
            if people.people().iter().all(|person| person.region != region) {
                continue;
            }
            let code = region.as_str().to_lowercase();
            let iin = numbers.next().context("no more numbers for officers")?;
            want(format!("demo-reviewer-{code}"), "reviewer", Some(region), Some(iin));
            want(format!("demo-issuer-{code}"), "issuer", Some(region), None);
            want(format!("demo-head-{code}"), "head", Some(region), None);
        }
        let made = futures_util::stream::iter(wanted).map(|account| create(kezek, account)).buffered(AT_ONCE);
        let list: Vec<anyhow::Result<Account>> = made.collect().await;
        Ok(Self { list: list.into_iter().collect::<Result<_, _>>()? })
    }

    /// The token of the first account of a role.
    #[must_use]
    pub fn token_of(&self, role: &str) -> Option<&str> {
        self.list.iter().find(|account| account.role == role).map(|account| account.token.as_str())
    }

    /// Names, roles, regions and tokens, for whoever wants to call the doors by hand.
    #[must_use]
    pub fn told(&self) -> String {
        let row = |account: &Account| {
            json!({
                "account": account.name, "role": account.role, "region": account.region, "token": account.token,
            })
        };
        let rows: Vec<_> = self.list.iter().map(row).collect();
        serde_json::to_string_pretty(&rows).unwrap_or_default()
    }
}

async fn create(kezek: &Kezek, account: Account) -> anyhow::Result<Account> {
    let mut arguments = vec!["accounts", "create", &account.name, "--role", account.role, "--json"];
    arguments.extend(["--actor", "demo", "--reason", "made for a demonstration"]);
    if let Some(region) = &account.region {
        arguments.extend(["--region", region.as_str()]);
    }
    // every point that people of the region choose
    let points = account
        .region
        .filter(|_| account.role == "issuer")
        .map(|region| (1..4).map(|n| format!("{}-{n:02}", region.as_str())).collect::<Vec<_>>().join(","));
    if let Some(points) = &points {
        arguments.extend(["--points", points]);
    }
    let iin = account.iin.as_ref().map(|iin| {
        arguments.push("--iin-stdin");
        iin.expose()
    });
    let told = kezek.must(&arguments, iin).await?.json()?;
    let token = told["token"].as_str().context("kezek accounts create prints no token")?.to_owned();
    Ok(Account { token, ..account })
}

/// Numbers of officers: born from 1800 to 1839, before anybody in the population.
fn officers_numbers() -> impl Iterator<Item = Iin> {
    (0..40).flat_map(|year| (1..=12).map(move |month| (year, month))).filter_map(|(year, month)| {
        (0..100).find_map(|serial| {
            let first = format!("{year:02}{month:02}151{serial:04}");
            let digit = Iin::check_digit(&first)?;
            Iin::parse(&format!("{first}{digit}"), IinProfile::Demo).ok()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn officers_have_numbers_that_nobody_in_the_population_has() {
        let people = Population::new(1, 400, jiff::civil::date(2025, 9, 2));
        let numbers: Vec<_> = officers_numbers().take(20).collect();
        assert_eq!(numbers.len(), 20);
        for iin in &numbers {
            assert!(iin.is_demo() && people.find(iin).is_none());
        }
    }

    #[test]
    fn a_folder_that_is_not_ours_is_not_emptied() -> anyhow::Result<()> {
        let path = std::env::temp_dir().join(format!("kezek-demo-test-{}", std::process::id()));
        let ours = Folder::fresh(&path)?;
        ours.write("a", "b")?;
        Folder::fresh(&path)?;
        assert!(!path.join("a").exists());
        fs::remove_file(path.join(".kezek-demo"))?;
        assert!(Folder::fresh(&path).is_err());
        fs::remove_dir_all(&path)?;
        Ok(())
    }
}
