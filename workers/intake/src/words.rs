//! What a citizen reads about where an application stands, in Kazakh and Russian: by receipt or coupon, without
//! personal data.

use kezek_domain::{Closing, Status};

/// One text in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// In Kazakh.
    pub kk: &'static str,
    /// In Russian.
    pub ru: &'static str,
}

const fn words(kk: &'static str, ru: &'static str) -> Words {
    Words { kk, ru }
}

/// Where an application stands. Whether it was parked is the operators' business: for the citizen it is under way.
#[must_use]
pub fn of(status: &Status) -> Words {
    match status {
        Status::Closed(closing) => closed(*closing),
        Status::Open { at, .. } => under_way(at.as_str()),
    }
}

const fn closed(closing: Closing) -> Words {
    match closing {
        Closing::Issued => words("Жеке куәлік берілді", "Удостоверение выдано"),
        Closing::Refused => words("Өтінім қабылданбады", "В приёме заявки отказано"),
        Closing::Redirected => words("ХҚКО-ға хабарласыңыз", "Обратитесь в ЦОН"),
        Closing::Unpaid => words("Мемлекеттік баж төленбегендіктен жабылды", "Закрыта: пошлина не оплачена"),
        Closing::Cancelled => words("Өтінім жойылды", "Заявка аннулирована"),
        Closing::Withdrawn => words("Өтінімді өтініш беруші қайтарып алды", "Заявка отозвана заявителем"),
    }
}

fn under_way(stage: &str) -> Words {
    match stage {
        "intake" => words("Өтінім тексеріліп, тіркелуде", "Заявка проверяется и регистрируется"),
        "exemption" => words("Мемлекеттік баж бойынша жеңілдік тексерілуде", "Проверяются льготы по пошлине"),
        "payment" => words("Мемлекеттік бажды төлеу күтілуде", "Ожидается оплата государственной пошлины"),
        "review" => {
            words("Көші-қон қызметі басқармасының қарауында", "На рассмотрении в управлении миграционной службы")
        }
        "production" => words("Жеке куәлік дайындалуда", "Удостоверение изготавливается"),
        "issuance" => {
            words("Жеке куәлік дайын, тіркеу пунктінен өзіңіз алыңыз", "Удостоверение готово, получите его лично")
        }
        "refund" => words("Бажды қайтару рәсімделуде", "Оформляется возврат пошлины"),
        _ => words("Өтінім қаралуда", "Заявка в работе"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kezek_domain::StageName;

    #[test]
    fn every_ending_and_every_stage_of_the_line_has_its_own_words() {
        let mut seen = std::collections::HashSet::new();
        for closing in Closing::ALL {
            assert!(seen.insert(of(&Status::Closed(*closing)).ru));
        }
        for stage in ["intake", "exemption", "payment", "review", "production", "issuance", "refund", "other"] {
            assert!(seen.insert(of(&Status::opened(StageName::new(stage))).ru), "{stage}");
        }
    }
}
