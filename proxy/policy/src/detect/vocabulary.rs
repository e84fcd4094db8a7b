//! What words are: one hash table from a word in small letters to a set of classes, built once.
//!
//! The lists stand in `words/`: English (SCOWL, with its notice), given names and surnames (United States census of 1990,
//! public domain), words of medicine, places; the short lists of cues stand here. A word may have several classes: `rose`
//! is English and a name, and only its surroundings tell.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Bytes of the longest word that the table knows; longer ones have no class.
const WORD_BYTES_MAX: usize = 24;

/// A set of classes of a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Class(u64);

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        impl Class {
            /// Nothing is known.
            pub(super) const NONE: Self = Self(0);
            $($(#[$doc])* pub(super) const $name: Self = Self(1 << $bit);)*
        }
    };
}

classes! {
    /// A word of general English.
    ENGLISH = 0;
    /// A given name.
    GIVEN = 1;
    /// A surname.
    SURNAME = 2;
    /// A word of medicine.
    MEDICAL = 3;
    /// A country, or a state of the United States.
    REGION = 4;
    /// A city.
    CITY = 5;
    /// A nationality or a religion.
    GROUP = 6;
    /// A month.
    MONTH = 7;
    /// A day of the week.
    WEEKDAY = 8;
    /// A title before a name.
    TITLE = 9;
    /// A kind of street.
    STREET = 10;
    /// A part of a building: apartment, suite.
    UNIT = 11;
    /// A unit of measure.
    MEASURE = 12;
    /// A postal code of a state.
    STATE_CODE = 13;
    /// A particle within a name.
    PARTICLE = 14;
    /// A person whose name was given to a disease, a test or an instrument.
    EPONYM = 15;
    /// What an eponym stands before.
    EPONYM_NOUN = 16;
    /// A name is likely to follow.
    NAME_CUE = 17;
    /// Part of a label of a name.
    NAME_LABEL = 18;
    /// An organisation's last word.
    COMPANY = 19;
    /// Cue of an SSN.
    SSN = 20;
    /// Cue of a phone number.
    PHONE = 21;
    /// Cue of a fax number.
    FAX = 22;
    /// Cue of a medical record number.
    MRN = 23;
    /// Cue of an account.
    ACCOUNT = 24;
    /// Cue of a payment card.
    CARD = 25;
    /// Cue of an IBAN.
    IBAN = 26;
    /// Cue of an NPI.
    NPI = 27;
    /// Cue of a DEA number.
    DEA = 28;
    /// Cue of a health plan's number.
    PLAN = 29;
    /// Cue of a licence or certificate.
    LICENCE = 30;
    /// Cue of a vehicle.
    VEHICLE = 31;
    /// Cue of a device.
    DEVICE = 32;
    /// Cue of a ZIP code.
    ZIP = 33;
    /// Cue of a date.
    DATE = 34;
    /// Cue of an age.
    AGE = 35;
    /// Cue of a code of a public vocabulary, which names no person.
    CODE = 36;
    /// A word that makes the one before it a label: number, no, id.
    NUMBER_WORD = 37;
    /// Cue of an identifier of any kind.
    IDENTIFIER = 38;
    /// An ending of a name: Jr, III.
    NAME_ENDING = 39;
    /// Cue of a place: a city or town follows.
    PLACE_CUE = 40;
    /// Cue of a version, after which four numbers are no address.
    VERSION = 41;
    /// A person who stands in relation to another; a name may follow.
    RELATION = 42;
    /// A verb that people do, after a name at the beginning of a sentence.
    PERSON_VERB = 43;
    /// A given name that is an English word, too, and with a capital hardly anything but the name.
    COMMON_GIVEN = 44;
    /// A word for an age over 89.
    OLD = 45;
}

impl Class {
    /// Whether it holds any of these.
    pub(super) const fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    /// Both sets together.
    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Words and their classes. The lists of cues; names, English, medicine and places stand in `words/`.
const CUES: &[(Class, &str)] = &[
    (
        Class::MONTH,
        "january february march april may june july august september october november december \
         jan feb mar apr jun jul aug sep sept oct nov dec",
    ),
    (
        Class::WEEKDAY,
        "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun",
    ),
    (
        Class::TITLE,
        "mr mrs ms miss mx dr doctor prof professor sir madam dame lord lady rev reverend fr pastor rabbi imam \
         capt captain lt sgt sergeant col colonel maj gen nurse attorney judge senator",
    ),
    (
        Class::STREET,
        "st str street ave av avenue rd road blvd boulevard ln lane dr drive ct court courts pl place ter terrace cir \
         circle hwy highway pkwy parkway sq square trl trail way loop alley aly plaza pike row run crossing path pass \
         turnpike expressway freeway route mews crescent close gardens grove heights hill ridge view vista parade walk \
         rue via calle avenida ulica rua rúa ul quai chemin strasse straße viale piazza corso carrer paseo chemin allée place quai \
         vicolo strada bundesstrasse",
    ),
    (
        Class::UNIT,
        "apt apartment suite ste unit room rm floor fl bldg building flat lot trailer",
    ),
    (
        Class::MEASURE,
        "mg mcg ug g gm gram grams kg lb lbs oz ml l dl cc mmol mol meq iu units unit mm cm m km ft inches hg mmhg bpm \
         hz hr hrs hour hours min mins minute minutes sec seconds day days week weeks month months times tablet tablets \
         tab tabs capsule capsules puff puffs drops percent ng pg ph kcal cal psi rpm mph dose doses actuat hours x",
    ),
    (
        Class::STATE_CODE,
        "al ak az ar ca co ct de fl ga hi id il in ia ks ky la me md ma mi mn ms mo mt ne nv nh nj nm ny nc nd oh ok or \
         pa ri sc sd tn tx ut vt va wa wv wi wy dc pr gu vi ap ae aa",
    ),
    (
        Class::PARTICLE,
        "de van von da del della di der den dos do das la le el al bin ibn ben ter ten af av zu du y mac st",
    ),
    (
        Class::EPONYM,
        "achilles addison alzheimer apgar asperger babinski babinsky baker barrett barthel bartholin bell bence billroth \
         bowman braden braxton broca brudzinski bruce budd burkitt calot chagas charcot chiari chvostek colles cooper \
         coombs crohn cushing doppler down duchenne dupuytren epley ewing fallot fallopian fanconi finkelstein foley \
         fontan fournier fowler gilbert glasgow gleason goodpasture gram graves grave guillain hallpike hashimoto heberden \
         heimlich henoch hirschsprung hodgkin hodgkins hoffman hoffmann holter homan homans horner huntington jackson \
         janeway jones kaposi karnofsky kawasaki kegel kernig kleinfelter klinefelter korsakoff kussmaul lachman lyme marfan mcburney \
         mcmurray meckel meniere mohs monro morton munchausen murphy nissen osgood osler paget papanicolaou parkinson \
         parkinsonian pavlov peyronie pfannenstiel phalen phalens raynaud reye reynolds rinne romberg rorschach rovsing salter \
         schilling schlatter scheuermann sjogren sjögren spurling stevens swan tinel tinels tourette trendelenburg trousseau turner valsalva vincent \
         virchow weber wechsler wegener wernicke whipple wilms wilson wolff white zollinger ellison ganz barre tanner \
         mallory weiss morse braden norton bethesda epstein barr coxsackie starling snellen ishihara beck mantoux hamilton edinburgh",
    ),
    (
        Class::EPONYM_NOUN,
        "disease syndrome sign signs test tests palsy score scale catheter lymphoma thyroiditis esophagus cyst contracture \
         phenomenon maneuver manoeuvre monitor lesion lesions node nodes tumor tumour sarcoma procedure position criteria \
         classification reflex reaction staging palsy fracture tendon cell cells body bodies tube duct gland chorea \
         hernia incision operation repair smear spots stain triad virus ulcer nodules index inventory disorder anemia",
    ),
    (
        Class::NAME_CUE,
        "named called hi hello dear hey dearest sincerely regards signed thanks by meet met spouse contact told asked \
         resident attending surgeon physician provider referred pt patient client user",
    ),
    (
        Class::NAME_LABEL,
        "name names surname lastname firstname fullname forename maiden nickname alias guarantor subscriber beneficiary \
         patient spouse guardian kin nok mother father physician attending provider doctor surgeon contact employer \
         caregiver author witness insured",
    ),
    (
        Class::RELATION,
        "wife husband son daughter mother father brother sister uncle aunt cousin niece nephew friend partner spouse kid \
         child guardian neighbor neighbour boyfriend girlfriend fiance fiancee grandmother grandfather boss colleague",
    ),
    (
        Class::PERSON_VERB,
        "is was has had will said says told asked reports reported denies denied states stated complains presents presented \
         lives lived works worked came went called wants wanted shouted wrote spent moved and would can could",
    ),
    (
        Class::COMPANY,
        "inc llc ltd corp corporation company gmbh plc llp group partners associates hospital clinic laboratories holdings \
         industries solutions insurance bank university college foundation institute",
    ),
    (
        Class::COMMON_GIVEN,
        "john jack jacky jackie tom tommy harry henry peter frank victor josh jimmy jim bob bobby robert rob robin nick mike dick jerry \
         larry barry charlotte jean jenny kelly carol timothy billy willy eugene louis jake jeff joe joey ted teddy ron don \
         dan ben sam sammy molly polly nancy peggy sally sue kitty angel jasmine heather martin calvin kevin alfred abigail \
         bernard francis george jonathan oliver stan warren wayne phil ray roy ken al ernest herb kent lance leo marcel \
         mickey monty nelly randy rex toby tony veronica andrea carmen isabella christian hector juan jose julian patsy maria",
    ),
    (Class::SSN, "ssn ssns social ss itin socialsecurity"),
    (
        Class::PHONE,
        "phone telephone tel ph mobile cell cellphone call calling called pager beeper text texted hotline voicemail \
         whatsapp callback dial reach reached office home work contact messages sms registered answering ring landline",
    ),
    (Class::FAX, "fax facsimile telefax faxed"),
    (
        Class::MRN,
        "mrn mr medrec record recordnumber chart medicalrecord emr emrn emr pid hrn mpi csn encounter",
    ),
    (
        Class::ACCOUNT,
        "account acct acc invoice guarantor billing accession claim claims reference ref confirmation case order",
    ),
    (
        Class::CARD,
        "card cards visa mastercard amex discover creditcard debit credit cc pan maestro diners jcb",
    ),
    (Class::IBAN, "iban ibans"),
    (Class::NPI, "npi"),
    (Class::DEA, "dea"),
    (
        Class::PLAN,
        "mbi hicn medicare medicaid beneficiary member memberid subscriber policy insurance insured plan payer payor group \
         enrollee hic",
    ),
    (
        Class::LICENCE,
        "license licence licenses lic dl driver drivers passport certificate cert permit credential visa registration",
    ),
    (Class::VEHICLE, "vin vehicle plate plates tag chassis"),
    (
        Class::DEVICE,
        "serial sn device udi imei meid iccid imsi implant pacemaker model gtin lot uuid guid mac hardware esn",
    ),
    (Class::ZIP, "zip zipcode postal postcode postalcode plz"),
    (
        Class::DATE,
        "dob birth born birthdate birthday date dated dod died death deceased admitted admission discharged discharge \
         on since until from seen visit appointment scheduled surgery procedure started stopped ended before after \
         follow followup expires expiration service dos collected received signed between through",
    ),
    (Class::AGE, "age aged ages turned turn turning"),
    (
        Class::CODE,
        "cpt icd icd9 icd10 loinc snomed rxnorm hcpcs ndc drg cvx sct oid mesh atc code codes dsm",
    ),
    (
        Class::NUMBER_WORD,
        "number numbers no num nbr id ids identifier code nr",
    ),
    (
        Class::IDENTIFIER,
        "id identifier patientid personid userid studentid employeeid subjectid badge employee student serial specimen",
    ),
    (Class::NAME_ENDING, "jr sr ii iii iv md phd do rn np pa esq dds lpn"),
    (
        Class::PLACE_CUE,
        "in from near at to lives city town village resides moved hometown county",
    ),
    (Class::OLD, "ninety hundred nonagenarian centenarian"),
    (
        Class::VERSION,
        "version ver v release build firmware software oid section chapter",
    ),
];

/// Endings that words of medicine have and names hardly.
const MEDICAL_ENDINGS: &[&str] = &[
    "itis",
    "osis",
    "emia",
    "aemia",
    "uria",
    "pathy",
    "ectomy",
    "otomy",
    "ostomy",
    "oscopy",
    "plasty",
    "graphy",
    "gram",
    "algia",
    "oma",
    "pril",
    "olol",
    "sartan",
    "statin",
    "mycin",
    "cillin",
    "oxacin",
    "azole",
    "prazole",
    "dipine",
    "zepam",
    "zolam",
    "tidine",
    "triptan",
    "mab",
    "tinib",
    "vir",
    "setron",
    "gliptin",
    "gliflozin",
    "glutide",
    "profen",
    "caine",
    "barbital",
    "cycline",
    "phylline",
    "terol",
    "sone",
    "solone",
    "thiazide",
    "semide",
    "oxetine",
    "dronate",
    "parin",
    "megaly",
    "plegia",
    "paresis",
    "trophy",
    "phagia",
    "phasia",
    "pnea",
    "sclerosis",
    "stenosis",
    "ology",
    "ologist",
    "iatric",
    "iatry",
    "lysis",
    "penia",
    "genic",
    "genesis",
    "therapy",
    "scopic",
    "tomy",
    "cyte",
    "cytes",
    "estrel",
    "estradiol",
    "amide",
    "amine",
    "idine",
    "azine",
    "zole",
    "xaban",
    "grel",
    "fibrate",
];

/// The table.
#[derive(Debug)]
pub(super) struct Vocabulary {
    words: HashMap<Key, Class, BuildHasherDefault<WordHasher>>,
}

impl Vocabulary {
    /// Builds the table of all lists.
    pub(super) fn new() -> Self {
        let mut vocabulary = Self {
            words: HashMap::with_capacity_and_hasher(100_000, BuildHasherDefault::default()),
        };
        vocabulary.list(Class::ENGLISH, include_str!("words/english.txt"));
        vocabulary.list(Class::GIVEN, include_str!("words/given.txt"));
        vocabulary.list(Class::SURNAME, include_str!("words/surnames.txt"));
        vocabulary.list(Class::MEDICAL, include_str!("words/medical.txt"));
        vocabulary.places(include_str!("words/places.txt"));
        for (class, words) in CUES {
            vocabulary.add(*class, words);
        }
        vocabulary
    }

    /// The classes of a word, whatever the case of its ASCII letters.
    pub(super) fn class(&self, word: &str) -> Class {
        let Some((key, small)) = key(word) else {
            return Class::NONE;
        };
        if let Some(class) = self.words.get(&key) {
            return *class;
        }
        let small = small.get(..word.len()).unwrap_or_default();
        let medical = small.len() >= 6 && MEDICAL_ENDINGS.iter().any(|ending| small.ends_with(ending.as_bytes()));
        if medical { Class::MEDICAL } else { Class::NONE }
    }

    /// Words of a file, whose lines that begin with `#` are comments.
    fn list(&mut self, class: Class, text: &'static str) {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            self.add(class, line);
        }
    }

    /// Places, by headings of their kind.
    fn places(&mut self, text: &'static str) {
        let mut class = Class::NONE;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            class = match line {
                ">country" | ">state" => Class::REGION,
                ">city" => Class::CITY,
                ">group" => Class::GROUP,
                words => {
                    self.add(class, words);
                    class
                }
            };
        }
    }

    fn add(&mut self, class: Class, words: &'static str) {
        for word in words.split_ascii_whitespace() {
            if let Some((key, _)) = key(word) {
                let known = self.words.entry(key).or_default();
                *known = known.with(class);
            }
        }
    }
}

/// A word in small letters, padded with zeros: compared as three numbers.
type Key = [u64; WORD_BYTES_MAX / 8];

/// The key of a word, and its bytes in small letters; `None` for one that is too long.
fn key(word: &str) -> Option<(Key, [u8; WORD_BYTES_MAX])> {
    let mut small = [0; WORD_BYTES_MAX];
    small.get_mut(..word.len())?.copy_from_slice(word.as_bytes());
    small.make_ascii_lowercase();
    let mut key = Key::default();
    for (part, bytes) in key.iter_mut().zip(small.chunks_exact(8)) {
        *part = u64::from_le_bytes(bytes.try_into().expect("a chunk has eight bytes"));
    }
    Some((key, small))
}

/// A fast hash of keys: multiply and fold. The table holds only words of ours, so nobody can make its chains long.
#[derive(Default)]
pub(super) struct WordHasher(u64);

impl Hasher for WordHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut part = [0; 8];
            if let Some(part) = part.get_mut(..chunk.len()) {
                part.copy_from_slice(chunk);
            }
            self.write_u64(u64::from_le_bytes(part));
        }
    }

    fn write_u64(&mut self, part: u64) {
        self.0 = (self.0 ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 29;
    }

    fn write_usize(&mut self, _length: usize) {
        // The length that is written before an array's parts is the same for all keys.
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Class, Vocabulary};

    #[test]
    fn a_word_has_the_classes_of_its_lists() {
        let vocabulary = Vocabulary::new();
        let check = |word: &str, class: Class, wanted: bool| {
            assert_eq!(vocabulary.class(word).any(class), wanted, "{word}");
        };
        check("Rose", Class::ENGLISH, true);
        check("Rose", Class::GIVEN, true);
        check("Patricia", Class::ENGLISH, false);
        check("LISINOPRIL", Class::MEDICAL, true);
        check("quinapril", Class::MEDICAL, true);
        check("enaprilat", Class::MEDICAL, false);
        check("Norway", Class::REGION, true);
        check("Boston", Class::CITY, true);
        check("Swedish", Class::GROUP, true);
        check("ssn", Class::SSN, true);
        check("xqzzt", Class::ENGLISH.with(Class::GIVEN).with(Class::SURNAME), false);
        check(&"a".repeat(25), Class::ENGLISH, false);
        check("Szöllösy", Class::GIVEN, false);
    }

    #[test]
    fn every_eponym_cue_and_particle_is_in_small_letters() {
        for (_, words) in super::CUES {
            for word in words.split_ascii_whitespace() {
                assert_eq!(word, word.to_lowercase(), "{word}");
            }
        }
    }
}
