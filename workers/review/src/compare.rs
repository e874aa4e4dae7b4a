//! The application beside the registers, line by line, differences marked (A11a).

use kezek_domain::dossier::{Document, Form, Identity};
use kezek_domain::rules::Rules;
use serde::Serialize;

/// One line of the comparison.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// What is compared, a label.
    pub field: &'static str,
    /// As applied for, or as the IIN says; nothing where the application does not say.
    pub applied: Option<String>,
    /// As registered.
    pub registered: Option<String>,
    /// Whether both say something and it is not the same.
    pub differs: bool,
}

/// Holds personal data: prints which line it is and whether it differs.
impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Line({}, differs {})", self.field, self.differs)
    }
}

fn line(field: &'static str, applied: Option<String>, registered: Option<String>) -> Line {
    let differs = matches!((&applied, &registered), (Some(a), Some(r)) if a != r);
    Line { field, applied, registered, differs }
}

/// What the officer compares. The form names no names (A8: the person is the IIN's), so for names there is only the
/// register's side.
pub(crate) fn lines(form: &Form, identity: Option<&Identity>, document: Option<&Document>) -> Vec<Line> {
    let of = |read: fn(&Identity) -> Option<String>| identity.and_then(read);
    vec![
        line("surname", None, of(|i| Some(i.surname.clone()))),
        line("given-name", None, of(|i| Some(i.given_name.clone()))),
        line("patronymic", None, of(|i| i.patronymic.clone())),
        line("birth-date", Some(form.iin.birth_date().to_string()), of(|i| Some(i.birth_date.to_string()))),
        line("sex", Some(form.iin.sex().label().to_owned()), of(|i| Some(i.sex.label().to_owned()))),
        line("citizenship", None, of(|i| Some(i.citizenship.clone()))),
        line("birth-country", None, of(|i| Some(i.birth_country.clone()))),
        line(
            "region",
            Some(form.region.as_str().to_owned()),
            of(|i| i.registered_region.as_ref().map(|r| r.as_str().to_owned())),
        ),
        line("document-number", Some(form.document_number.clone()), document.map(|d| d.number.clone())),
        line(
            "document-expires",
            form.document_expires.map(|d| d.to_string()),
            document.and_then(|d| d.ends).map(|d| d.to_string()),
        ),
    ]
}

/// The exemption's ground in words, where it is one of the Code's.
pub(crate) fn ground(rules: &Rules, code: &str) -> Option<(String, String)> {
    rules.exemptions().ground(code).map(|g| (g.kk.clone(), g.ru.clone()))
}
