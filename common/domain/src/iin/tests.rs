//! Vectors by arithmetic. Most are of the 1800s and cannot belong to anyone.

use super::*;
use jiff::civil::date;
use proptest::prelude::*;

fn read(text: &str, profile: IinProfile) -> Option<IinError> {
    Iin::parse(text, profile).err()
}

#[test]
fn c2_the_1800s_are_read_in_demonstrations_alone() {
    for text in ["850101100012", "920229200010", "960229100071", "000101200032", "991231100427"] {
        assert_eq!(read(text, IinProfile::Demo), None);
        assert_eq!(read(text, IinProfile::Citizen), Some(IinError::Century));
    }
}

#[test]
fn c2_citizens_of_both_centuries_and_both_passes() {
    let first_pass = ["850101390010", "920229490019", "991231490025", "000229590013", "010101690045"];
    let second_pass = ["850101390100", "850101390112", "850101390124", "000229590406", "060606690011"];
    for text in first_pass.into_iter().chain(second_pass) {
        assert_eq!(read(text, IinProfile::Citizen), None);
    }
}

#[test]
fn c2_a_wrong_check_digit_is_refused() {
    assert_eq!(read("850101390013", IinProfile::Citizen), Some(IinError::CheckDigit));
    for last in "013456789".chars() {
        assert_eq!(read(&format!("85010110001{last}"), IinProfile::Demo), Some(IinError::CheckDigit));
    }
}

#[test]
fn c2_double_ten_is_never_issued() {
    for prefix in ["85010139015", "85010139287", "92022949189", "92022949340", "00022959042", "06060669000"] {
        assert_eq!(Iin::check_digit(prefix), None);
        for last in 0..10 {
            assert_eq!(read(&format!("{prefix}{last}"), IinProfile::Citizen), Some(IinError::NeverIssued));
        }
    }
}

#[test]
fn c2_the_birth_date_exists_in_its_century() {
    assert_eq!(read("900229390019", IinProfile::Citizen), Some(IinError::BirthDate));
    // 1900 was no leap year, 2000 and 1896 were.
    assert_eq!(read("000229390000", IinProfile::Citizen), Some(IinError::BirthDate));
    assert_eq!(read("000229490000", IinProfile::Citizen), Some(IinError::BirthDate));
    assert_eq!(read("851301100012", IinProfile::Demo), Some(IinError::BirthDate));
    assert_eq!(read("850100100012", IinProfile::Demo), Some(IinError::BirthDate));
}

#[test]
fn c2_length_digits_and_century_are_named_apart() {
    assert_eq!(read("", IinProfile::Demo), Some(IinError::Length));
    assert_eq!(read("8501011000120", IinProfile::Demo), Some(IinError::Length));
    assert_eq!(read("85010110001x", IinProfile::Demo), Some(IinError::Digit));
    assert_eq!(read("٨50101100012", IinProfile::Demo), Some(IinError::Digit));
    assert_eq!(read("850101000012", IinProfile::Demo), Some(IinError::Century));
    assert_eq!(read("850101700012", IinProfile::Demo), Some(IinError::Century));
}

#[test]
fn c2_date_and_sex_are_in_the_number() -> Result<(), IinError> {
    let leap = Iin::parse("960229100071", IinProfile::Demo)?;
    assert_eq!((leap.birth_date(), leap.sex(), leap.is_demo()), (date(1896, 2, 29), Sex::Male, true));
    let first = Iin::parse("000101200032", IinProfile::Demo)?;
    assert_eq!((first.birth_date(), first.sex()), (date(1800, 1, 1), Sex::Female));
    Ok(())
}

#[test]
fn an_iin_hides_itself_and_its_errors_do_too() -> Result<(), IinError> {
    let iin = Iin::parse("850101100012", IinProfile::Demo)?;
    assert_eq!(format!("{iin:?}"), "Iin(…)");
    let json = serde_json::from_str::<Iin>("\"850101100013\"").err().map(|e| e.to_string());
    assert!(json.is_some_and(|message| !message.contains("8501") && message.contains("check digit")));
    Ok(())
}

proptest! {
    #[test]
    fn c2_at_most_one_check_digit_is_right(serial in 0u32..10_000) {
        let prefix = format!("8501011{serial:04}");
        let right: Vec<u8> = (0..10u8)
            .filter(|last| Iin::parse(&format!("{prefix}{last}"), IinProfile::Demo).is_ok())
            .collect();
        prop_assert_eq!(right, Iin::check_digit(&prefix).into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn no_text_makes_it_fall_over(text in "\\PC{0,14}") {
        if let Ok(iin) = Iin::parse(&text, IinProfile::Demo) {
            prop_assert_eq!(iin.expose(), text);
        }
    }
}
