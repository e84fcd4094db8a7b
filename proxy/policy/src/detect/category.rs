//! What a finding is: the identifiers of 45 CFR 164.514(b)(2)(i)(A) to (R), and what each column label means.

/// A kind of identifier. The letter is its place in 45 CFR 164.514(b)(2)(i).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// (A) A name of a person, relative, employer or household member; an organisation's where it may be an employer.
    Name,
    /// (B) A street address.
    Address,
    /// (B) A city, county, or another place that is smaller than a state.
    Place,
    /// (B) A ZIP or postal code.
    Zip,
    /// (C) A date with more than its year.
    Date,
    /// (C) An age.
    Age,
    /// (D) A telephone number.
    Phone,
    /// (E) A fax number.
    Fax,
    /// (F) An electronic mail address.
    Email,
    /// (G) A social security number.
    Ssn,
    /// (H) A medical record number.
    Mrn,
    /// (I) A health plan beneficiary number.
    HealthPlan,
    /// (J) An account number.
    Account,
    /// (J) A payment card number.
    Card,
    /// (J) An international bank account number.
    Iban,
    /// (K) A certificate or licence number.
    Licence,
    /// (K) A National Provider Identifier.
    Npi,
    /// (K) A DEA registration number.
    Dea,
    /// (L) A vehicle identifier, or a licence plate.
    Vehicle,
    /// (M) A device identifier or serial number.
    Device,
    /// (N) A URL.
    Url,
    /// (O) An IP address.
    Ip,
    /// (P) A biometric identifier. Found by label alone.
    Biometric,
    /// (Q) A photograph or comparable image. Found by label alone.
    Image,
    /// (R) Another unique number, characteristic or code.
    Unique,
}

impl Category {
    /// All of them, in the order of the rule.
    pub const ALL: [Self; 25] = [
        Self::Name,
        Self::Address,
        Self::Place,
        Self::Zip,
        Self::Date,
        Self::Age,
        Self::Phone,
        Self::Fax,
        Self::Email,
        Self::Ssn,
        Self::Mrn,
        Self::HealthPlan,
        Self::Account,
        Self::Card,
        Self::Iban,
        Self::Licence,
        Self::Npi,
        Self::Dea,
        Self::Vehicle,
        Self::Device,
        Self::Url,
        Self::Ip,
        Self::Biometric,
        Self::Image,
        Self::Unique,
    ];

    /// The word in policies, events and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Address => "address",
            Self::Place => "place",
            Self::Zip => "zip",
            Self::Date => "date",
            Self::Age => "age",
            Self::Phone => "phone",
            Self::Fax => "fax",
            Self::Email => "email",
            Self::Ssn => "ssn",
            Self::Mrn => "mrn",
            Self::HealthPlan => "health-plan",
            Self::Account => "account",
            Self::Card => "card",
            Self::Iban => "iban",
            Self::Licence => "licence",
            Self::Npi => "npi",
            Self::Dea => "dea",
            Self::Vehicle => "vehicle",
            Self::Device => "device",
            Self::Url => "url",
            Self::Ip => "ip",
            Self::Biometric => "biometric",
            Self::Image => "image",
            Self::Unique => "unique",
        }
    }

    /// The category of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.as_str() == word)
    }

    /// Its place in [`Self::ALL`].
    pub(super) fn place(self) -> usize {
        Self::ALL.iter().position(|other| *other == self).unwrap_or_default()
    }

    /// What stands in the place of a masked value: the word in brackets.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Name => "[name]",
            Self::Address => "[address]",
            Self::Place => "[place]",
            Self::Zip => "[zip]",
            Self::Date => "[date]",
            Self::Age => "[age]",
            Self::Phone => "[phone]",
            Self::Fax => "[fax]",
            Self::Email => "[email]",
            Self::Ssn => "[ssn]",
            Self::Mrn => "[mrn]",
            Self::HealthPlan => "[health-plan]",
            Self::Account => "[account]",
            Self::Card => "[card]",
            Self::Iban => "[iban]",
            Self::Licence => "[licence]",
            Self::Npi => "[npi]",
            Self::Dea => "[dea]",
            Self::Vehicle => "[vehicle]",
            Self::Device => "[device]",
            Self::Url => "[url]",
            Self::Ip => "[ip]",
            Self::Biometric => "[biometric]",
            Self::Image => "[image]",
            Self::Unique => "[unique]",
        }
    }

    /// What the name of a column, or a key of JSON, says that its values are; `None` where it says nothing.
    ///
    /// Words are cut at `_`, `-`, blanks, dots and where a small letter meets a capital: `patient_last_name`, `birthDate`.
    pub fn of_label(label: &str) -> Option<Self> {
        let words = words(label);
        let joined = words.concat();
        LABELS
            .iter()
            .find(|(_, labels)| labels.split_ascii_whitespace().any(|one| one == joined))
            .or_else(|| {
                // The last word names the thing and those before it whose it is: `patient_home_phone`.
                let tails = [words.len().checked_sub(2), words.len().checked_sub(1)];
                tails.into_iter().flatten().find_map(|from| {
                    let tail = words.get(from..)?.concat();
                    TAILS
                        .iter()
                        .find(|(_, labels)| labels.split_ascii_whitespace().any(|one| one == tail))
                })
            })
            .map(|(category, _)| *category)
    }
}

/// Bytes of a label that are read; the rest of a longer one says nothing.
const LABEL_BYTES_MAX: usize = 128;

/// Labels as a whole, without separators.
const LABELS: &[(Category, &str)] = &[
    (
        Category::Name,
        "first last middle given family maiden prefix suffix firstname lastname surname givenname familyname fullname \
         displayname nickname alias patient patientname nextofkin kin guardian spouse mothersmaidenname",
    ),
    (Category::Place, "birthplace placeofbirth"),
    (
        Category::Date,
        "dateofbirth dateofdeath deceaseddatetime birthdate deathdate issued",
    ),
    (Category::Licence, "drivers driverslicense driverslicence passport"),
    (Category::Age, "age ageyears ageatvisit"),
    (Category::Unique, "personid patientid userid"),
];

/// The last word or the last two of a label.
const TAILS: &[(Category, &str)] = &[
    (
        Category::Name,
        "name firstname lastname middlename surname givenname familyname fullname displayname maidenname maiden \
         contactname initials author",
    ),
    (
        Category::Address,
        "address address1 address2 addr street streetaddress line1 line2 addressline pobox residence",
    ),
    (
        Category::Place,
        "city town county district village municipality precinct lat lon lng latitude longitude geocode birthplace",
    ),
    (Category::Zip, "zip zip5 zip4 zipcode postcode postalcode postal"),
    (
        Category::Date,
        "dob dod birthdate birthday deathdate admitdate dischargedate admissiondate servicedate visitdate deceaseddate \
         dateofbirth dateofdeath",
    ),
    (
        Category::Phone,
        "phone phonenumber telephone tel mobile cell cellphone pager msisdn telecom homephone workphone",
    ),
    (Category::Fax, "fax faxnumber facsimile"),
    (Category::Email, "email emailaddress mail e-mail"),
    (
        Category::Ssn,
        "ssn socialsecurity socialsecuritynumber ssnumber itin sin ssn4 ssnlast4 taxid tin",
    ),
    (
        Category::Mrn,
        "mrn medicalrecord medicalrecordnumber recordnumber chartnumber mrnumber csn",
    ),
    (
        Category::HealthPlan,
        "mbi hicn memberid membernumber policynumber subscriberid beneficiaryid insuranceid medicareid medicaidid planid \
         policyid",
    ),
    (
        Category::Account,
        "account accountnumber accountno acctno acct routingnumber accountid invoicenumber",
    ),
    (
        Category::Card,
        "card cardnumber creditcard creditcardnumber ccnumber pan ccn debitcard",
    ),
    (Category::Iban, "iban"),
    (
        Category::Licence,
        "license licence licensenumber licencenumber licenseno driverslicense dln passportnumber passportno certificate \
         certificatenumber",
    ),
    (Category::Npi, "npi npinumber"),
    (Category::Dea, "dea deanumber"),
    (Category::Vehicle, "vin plate licenseplate platenumber vehicleid"),
    (
        Category::Device,
        "udi serial serialnumber serialno deviceid imei imsi macaddress mac deviceserial deviceidentifier",
    ),
    (Category::Url, "url website homepage webpage web profileurl"),
    (
        Category::Ip,
        "ip ipaddress ipaddr remoteaddr clientip sourceip ipv4 ipv6",
    ),
    (
        Category::Biometric,
        "fingerprint faceprint voiceprint retina iris biometric biometrics",
    ),
    (Category::Image, "photo photograph picture portrait faceimage avatar"),
];

/// The words of a label in small letters.
fn words(label: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for character in label.chars().take(LABEL_BYTES_MAX) {
        if !character.is_alphanumeric() || (before.is_lowercase() && character.is_uppercase()) {
            words.push(String::new());
        }
        if character.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::Category;

    #[test]
    fn labels_of_columns_and_keys_say_what_they_hold() {
        let check = |label: &str, wanted: Option<Category>| assert_eq!(Category::of_label(label), wanted, "{label}");
        check("ssn", Some(Category::Ssn));
        check("patient_ssn", Some(Category::Ssn));
        check("SSN", Some(Category::Ssn));
        check("birthDate", Some(Category::Date));
        check("date_of_birth", Some(Category::Date));
        check("LAST", Some(Category::Name));
        check("guarantor.last-name", Some(Category::Name));
        check("homePhone", Some(Category::Phone));
        check("zip", Some(Category::Zip));
        check("credit_card_number", Some(Category::Card));
        check("client_ip", Some(Category::Ip));
        check("device_serial_number", Some(Category::Device));
        check("diagnosis", None);
        check("status", None);
        check("description", None);
        check("", None);
        check("___", None);
    }

    #[test]
    fn the_token_is_the_word_in_brackets_and_words_are_unique() {
        let mut words: Vec<_> = Category::ALL.iter().map(|one| one.as_str()).collect();
        for category in Category::ALL {
            assert_eq!(category.token(), format!("[{}]", category.as_str()));
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Category::ALL.len());
    }
}
