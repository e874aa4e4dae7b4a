//! Kazakh names to make people of. Any likeness to a living person is chance.

/// A name in Cyrillic and in Latin letters.
pub type Name = (&'static str, &'static str);

/// Surnames of men; a woman's takes an "а" (`a`) at the end.
pub const SURNAMES: [Name; 40] = [
    ("Абдрахманов", "Abdrakhmanov"), ("Әбенов", "Abenov"), ("Айтбаев", "Aitbayev"), ("Ақышев", "Akyshev"), ("Аманжолов", "Amanzholov"),
    ("Байжанов", "Baizhanov"), ("Бекмұратов", "Bekmuratov"), ("Бөкенов", "Bokenov"), ("Дәулетов", "Dauletov"), ("Досмағамбетов", "Dosmagambetov"),
    ("Ерғалиев", "Yergaliyev"), ("Есімов", "Yessimov"), ("Жақсыбеков", "Zhaksybekov"), ("Жұмабаев", "Zhumabayev"), ("Жүсіпов", "Zhussipov"),
    ("Ибраимов", "Ibraimov"), ("Иманғалиев", "Imangaliyev"), ("Қабылов", "Kabylov"), ("Қалиев", "Kaliyev"), ("Қасымов", "Kassymov"),
    ("Көшербаев", "Kosherbayev"), ("Құсайынов", "Kussainov"), ("Мақсұтов", "Maksutov"), ("Малдыбаев", "Maldybayev"), ("Мұқанов", "Mukanov"),
    ("Нұрпейісов", "Nurpeissov"), ("Омаров", "Omarov"), ("Оспанов", "Ospanov"), ("Өтегенов", "Otegenov"), ("Рахымжанов", "Rakhymzhanov"),
    ("Сағынтаев", "Sagyntayev"), ("Сәдуақасов", "Saduakassov"), ("Сейітов", "Seiitov"), ("Тілеулин", "Tileulin"), ("Төлегенов", "Tolegenov"),
    ("Тұрсынов", "Tursynov"), ("Үмбетов", "Umbetov"), ("Хасенов", "Khassenov"), ("Шаймерденов", "Shaimerdenov"), ("Ыбыраев", "Ybyrayev"),
];

/// Given names of men.
pub const MEN: [Name; 32] = [
    ("Абай", "Abai"), ("Айдос", "Aidos"), ("Азамат", "Azamat"), ("Алихан", "Alikhan"), ("Арман", "Arman"), ("Асқар", "Askar"),
    ("Бауыржан", "Bauyrzhan"), ("Болат", "Bolat"), ("Дархан", "Darkhan"), ("Дәурен", "Dauren"), ("Ерлан", "Yerlan"), ("Ержан", "Yerzhan"),
    ("Жандос", "Zhandos"), ("Жәнібек", "Zhanibek"), ("Кенжебек", "Kenzhebek"), ("Қайрат", "Kairat"), ("Қанат", "Kanat"), ("Мадияр", "Madiyar"),
    ("Марат", "Marat"), ("Мұхтар", "Mukhtar"), ("Нұрлан", "Nurlan"), ("Олжас", "Olzhas"), ("Рүстем", "Rustem"), ("Сәкен", "Saken"),
    ("Серік", "Serik"), ("Талғат", "Talgat"), ("Тимур", "Timur"), ("Төлеген", "Tolegen"), ("Шыңғыс", "Shyngys"), ("Ілияс", "Iliyas"),
    ("Санжар", "Sanzhar"), ("Еркебұлан", "Yerkebulan"),
];

/// Given names of women.
pub const WOMEN: [Name; 32] = [
    ("Айгүл", "Aigul"), ("Айжан", "Aizhan"), ("Ақмарал", "Akmaral"), ("Алма", "Alma"), ("Әлия", "Aliya"), ("Әсел", "Assel"),
    ("Баян", "Bayan"), ("Гүлнар", "Gulnar"), ("Дана", "Dana"), ("Дариға", "Dariga"), ("Жанар", "Zhanar"), ("Жібек", "Zhibek"),
    ("Зарина", "Zarina"), ("Зере", "Zere"), ("Камила", "Kamila"), ("Қарлығаш", "Karlygash"), ("Қымбат", "Kymbat"), ("Ләззат", "Lazzat"),
    ("Мадина", "Madina"), ("Мәдина", "Madina"), ("Меруерт", "Meruert"), ("Назым", "Nazym"), ("Нұргүл", "Nurgul"), ("Раушан", "Raushan"),
    ("Сәуле", "Saule"), ("Салтанат", "Saltanat"), ("Томирис", "Tomiris"), ("Ұлбосын", "Ulbossyn"), ("Шолпан", "Sholpan"), ("Шынар", "Shynar"),
    ("Ырысты", "Yrysty"), ("Інжу", "Inzhu"),
];
