use super::*;
use crate::Tiyn;
use crate::phone::Phone;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_receipt_is_stable_and_readable(bits in any::<u128>()) {
        let receipt = Receipt::of(CaseId(Uuid::from_u128(bits)));
        prop_assert_eq!(&receipt, &Receipt::of(CaseId(Uuid::from_u128(bits))));
        prop_assert_eq!(receipt.as_str().len(), 21);
        let typed = receipt.as_str().to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        prop_assert_eq!(Receipt::parse(&typed), Ok(receipt.clone()));
        let json = serde_json::to_string(&receipt).unwrap_or_default();
        prop_assert_eq!(serde_json::from_str::<Receipt>(&json).ok(), Some(receipt));
    }

    #[test]
    fn one_wrong_character_is_noticed(bits in any::<u128>(), place in 0usize..17, other in 0usize..32) {
        let receipt = Receipt::of(CaseId(Uuid::from_u128(bits)));
        let mut signs: Vec<u8> = receipt.as_str().bytes().filter(|b| *b != b'-').collect();
        prop_assume!(signs[place] != ALPHABET[other]);
        signs[place] = ALPHABET[other];
        prop_assert!(Receipt::parse(&String::from_utf8_lossy(&signs)).is_err());
    }

    #[test]
    fn two_swapped_characters_are_noticed(bits in any::<u128>(), a in 0usize..17, b in 0usize..17) {
        let receipt = Receipt::of(CaseId(Uuid::from_u128(bits)));
        let mut signs: Vec<u8> = receipt.as_str().bytes().filter(|b| *b != b'-').collect();
        prop_assume!(signs[a] != signs[b]);
        signs.swap(a, b);
        prop_assert!(Receipt::parse(&String::from_utf8_lossy(&signs)).is_err());
    }

    #[test]
    fn no_text_makes_a_receipt_fall_over(text in "\\PC{0,30}") {
        if let Ok(receipt) = Receipt::parse(&text) {
            prop_assert_eq!(Receipt::parse(receipt.as_str()), Ok(receipt));
        }
    }
}

#[test]
fn different_cases_have_different_receipts() {
    let of = |bits| Receipt::of(CaseId(Uuid::from_u128(bits)));
    assert_ne!(of(1), of(2));
    assert_eq!(of(0).as_str(), "0000-0000-0000-0000-0");
}

#[test]
fn a11d_a_coupon_is_shown_verbatim() {
    assert!(Coupon::parse("DEMO-00 01/ә").is_ok_and(|coupon| coupon.as_str() == "DEMO-00 01/ә"));
    for wrong in ["", " A", "A ", "A\nB", &"x".repeat(65)] {
        assert!(Coupon::parse(wrong).is_err());
    }
}

#[test]
fn a3_2_a_telephone_is_e164_and_hides_itself() {
    let phone = Phone::parse("+7 (700) 000-00-01");
    assert_eq!(phone.as_ref().map(Phone::expose).ok(), Some("+77000000001"));
    assert_eq!(phone.map(|p| format!("{p:?}")).ok().as_deref(), Some("Phone(…)"));
    for wrong in ["", "87000000001", "+7700000000", "+770000000011", "+7700000000x"] {
        assert!(Phone::parse(wrong).is_err());
    }
}

#[test]
fn money_is_shown_in_tenge() {
    assert_eq!(Tiyn(78_640).to_string(), "786.40 ₸");
    assert_eq!(Tiyn(-5).to_string(), "-0.05 ₸");
    assert_eq!(Tiyn(i64::MIN).to_string(), "-92233720368547758.08 ₸");
    assert_eq!(Tiyn(i64::MAX).checked_add(Tiyn(1)), None);
    assert_eq!(Tiyn(i64::MIN).checked_sub(Tiyn(1)), None);
    assert_eq!(Tiyn::from_tenge(865), Tiyn(86_500));
}
