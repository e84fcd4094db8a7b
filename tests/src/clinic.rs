//! A clinical database from a seeded generator of our own: the same seed gives the same bytes.
//!
//! Protected health information stands in columns (`patients`), in free text (`notes.body`) and in JSON
//! (`patients.profile`, `claims.document`). All of it is invented; social security numbers begin with 9, which are never
//! issued. [`Clinic::canaries`] are the values that must not be found anywhere once the demo's masks are in force.

use std::fmt::Write as _;

/// Patients of the demo.
pub const PATIENTS: u32 = 5_000;

/// Seed of the demo.
pub const SEED: u64 = 0x0045_7868_6962_6974;

const FIRST: [&str; 24] = [
    "Adeline",
    "Bartholomew",
    "Cordelia",
    "Dashiell",
    "Evangeline",
    "Fitzwilliam",
    "Georgiana",
    "Hezekiah",
    "Isadora",
    "Jebediah",
    "Katarzyna",
    "Leopoldine",
    "Montgomery",
    "Nathanael",
    "Ottoline",
    "Percival",
    "Quintina",
    "Rosalind",
    "Sylvester",
    "Theodora",
    "Ulysses",
    "Valentina",
    "Wilhelmina",
    "Zebulon",
];
const LAST_HEAD: [&str; 16] = [
    "Ash", "Black", "Crow", "Drum", "Elder", "Fern", "Gold", "Hawk", "Iron", "Jasper", "Kings", "Lark", "Moor",
    "Night", "Oaks", "Quill",
];
const LAST_TAIL: [&str; 16] = [
    "abury", "brook", "combe", "dale", "feather", "garth", "holm", "ingham", "kirk", "leigh", "minster", "thorpe",
    "wether", "wick", "worthy", "yarrow",
];
const STREETS: [&str; 8] = [
    "Juniper Row",
    "Copperfield Lane",
    "Old Foundry Road",
    "Saltmarsh Way",
    "Lantern Court",
    "Millrace Street",
    "Harbour View",
    "Quarry Hill",
];
const CITIES: [(&str, &str, &str); 6] = [
    ("Pendleton", "OR", "97801"),
    ("Ludlow", "VT", "05149"),
    ("Beaufort", "SC", "29902"),
    ("Yreka", "CA", "96097"),
    ("Marfa", "TX", "79843"),
    ("Houlton", "ME", "04730"),
];
const DEPARTMENTS: [&str; 6] = [
    "cardiology",
    "oncology",
    "emergency",
    "paediatrics",
    "radiology",
    "psychiatry",
];
const DIAGNOSES: [(&str, &str); 8] = [
    ("I10", "essential hypertension"),
    ("E11.9", "type 2 diabetes"),
    ("J45.40", "moderate persistent asthma"),
    ("F32.1", "major depressive disorder"),
    ("M54.5", "low back pain"),
    ("N39.0", "urinary tract infection"),
    ("C50.911", "malignant neoplasm of breast"),
    ("B20", "HIV disease"),
];
const PAYERS: [&str; 4] = ["Northern Mutual", "State Health Plan", "Granite Insurance", "Self-pay"];

/// A generated database.
pub struct Clinic {
    /// SQL that makes the tables and fills them (COPY), for psql.
    pub sql: String,
    /// Values of masked columns that must not leave: SSNs, record numbers, e-mails, phones, full names, member ids.
    pub canaries: Vec<String>,
}

/// `SplitMix64` (Steele, Lea, Flood 2014): small, seeded, good enough for made-up people.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both possible.
    fn between(&mut self, low: u32, high: u32) -> u32 {
        let span = u64::from(high - low) + 1;
        low + u32::try_from(self.next() % span).expect("a remainder of a 32-bit span fits 32 bits")
    }

    fn pick<T: Copy, const SIZE: usize>(&mut self, from: &[T; SIZE]) -> T {
        let size = u64::try_from(SIZE).expect("an array's size fits 64 bits");
        let place = usize::try_from(self.next() % size).expect("a remainder of a size fits the size's type");
        *from.get(place).expect("a remainder is below the size")
    }
}

/// One invented person.
struct Patient {
    id: u32,
    first: &'static str,
    last: String,
    ssn: String,
    mrn: String,
    birth: String,
    phone: String,
    email: String,
    contact: &'static str,
    street: String,
    city: (&'static str, &'static str, &'static str),
}

impl Patient {
    fn make(id: u32, random: &mut Random) -> Self {
        let first = random.pick(&FIRST);
        let last = format!("{}{}", random.pick(&LAST_HEAD), random.pick(&LAST_TAIL));
        let (year, month, day) = (
            random.between(1_925, 2_020),
            random.between(1, 12),
            random.between(1, 28),
        );
        let ssn = format!(
            "9{:02}-{:02}-{:04}",
            random.between(0, 99),
            random.between(70, 88),
            id % 10_000
        );
        Self {
            id,
            mrn: format!("MRN{:08}", 40_000_000 + id * 7),
            birth: format!("{year}-{month:02}-{day:02}"),
            phone: format!("({}) 555-{:04}", random.between(201, 989), id % 10_000),
            email: format!("{}.{}{id}@mail.example", first.to_lowercase(), last.to_lowercase()),
            contact: random.pick(&FIRST),
            street: format!("{} {}", random.between(10, 9_999), random.pick(&STREETS)),
            city: random.pick(&CITIES),
            first,
            last,
            ssn,
        }
    }

    fn name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }

    fn row(&self) -> String {
        let Self {
            id,
            first,
            last,
            ssn,
            mrn,
            birth,
            phone,
            email,
            street,
            city,
            contact,
            ..
        } = self;
        let (city, state, zip) = city;
        let sex = if id % 2 == 0 { "F" } else { "M" };
        let profile = format!(
            r#"{{"emergency_contact": {{"name": "{} {last}", "phone": "{phone}"}}, "language": "en", "smoker": {}}}"#,
            contact,
            id % 5 == 0
        );
        format!(
            "{id}\t{mrn}\t{first}\t{last}\t{ssn}\t{birth}\t{sex}\t{phone}\t{email}\t{street}\t{city}\t{state}\t{zip}\t{profile}\n"
        )
    }
}

impl Clinic {
    /// Generates a clinic with this many patients, twice as many encounters and claims, and a note to every encounter.
    pub fn generate(seed: u64, patients: u32) -> Self {
        let mut random = Random(seed);
        let people: Vec<Patient> = (1..=patients).map(|id| Patient::make(id, &mut random)).collect();
        let mut canaries = Vec::new();
        for person in &people {
            let direct = [
                person.ssn.clone(),
                person.mrn.clone(),
                person.email.clone(),
                person.phone.clone(),
            ];
            canaries.extend(direct);
            canaries.extend([person.name(), person.street.clone(), member(person.id)]);
        }
        canaries.sort_unstable();
        canaries.dedup();
        let mut sql = TABLES.to_owned();
        copy(&mut sql, "patients", people.iter().map(Patient::row));
        let mut encounters = Vec::new();
        let mut notes = Vec::new();
        let mut claims = Vec::new();
        for (person, round) in people.iter().flat_map(|person| [(person, 0), (person, 1)]) {
            let id = person.id * 2 - 1 + round;
            let department = random.pick(&DEPARTMENTS);
            let (code, words) = random.pick(&DIAGNOSES);
            let day = format!(
                "20{:02}-{:02}-{:02}",
                random.between(15, 25),
                random.between(1, 12),
                random.between(1, 28)
            );
            let cost = format!("{}.{:02}", random.between(80, 9_000), random.between(0, 99));
            let patient = person.id;
            encounters.push(format!(
                "{id}\t{patient}\t{day} 09:{:02}:00+00\t{department}\t{code}\t{cost}\n",
                id % 60
            ));
            notes.push(note(id, person, department, words));
            let member = member(patient);
            let document = format!(
                r#"{{"resourceType": "Claim", "patient": {{"display": "{}", "identifier": "{}"}}, "insurance": {{"member": "{member}"}}, "total": {cost}}}"#,
                person.name(),
                person.mrn
            );
            let payer = random.pick(&PAYERS);
            claims.push(format!(
                "{id}\t{patient}\t{id}\t{payer}\t{member}\t{cost}\tpaid\t{document}\n"
            ));
        }
        copy(&mut sql, "encounters", encounters.into_iter());
        copy(&mut sql, "notes", notes.into_iter());
        copy(&mut sql, "claims", claims.into_iter());
        sql.push_str(VIEWS);
        Self { sql, canaries }
    }
}

fn member(patient: u32) -> String {
    format!("HPB{:07}", 1_000_000 + patient * 3)
}

fn note(id: u32, person: &Patient, department: &str, words: &str) -> String {
    let Patient {
        id: patient,
        ssn,
        mrn,
        birth,
        phone,
        ..
    } = person;
    let name = person.name();
    format!(
        "{id}\t{patient}\t{id}\tdr-{department}\tPt {name} (DOB {birth}, {mrn}, SSN {ssn}) seen in {department} for \
         {words}. Reachable at {phone}. Plan discussed with {} {}.\n",
        person.first, person.last
    )
}

fn copy(sql: &mut String, table: &str, rows: impl Iterator<Item = String>) {
    let _ = writeln!(sql, "COPY {table} FROM stdin;");
    sql.extend(rows);
    sql.push_str("\\.\n");
}

const TABLES: &str = "\
CREATE TABLE patients (
    id integer PRIMARY KEY, mrn text NOT NULL UNIQUE, first_name text NOT NULL, last_name text NOT NULL,
    ssn text NOT NULL, birth_date date NOT NULL, sex char(1) NOT NULL, phone text, email text, street text, city text,
    state char(2), zip text, profile jsonb NOT NULL
);
CREATE TABLE encounters (
    id integer PRIMARY KEY, patient_id integer NOT NULL REFERENCES patients, started timestamptz NOT NULL,
    department text NOT NULL, diagnosis text NOT NULL, cost numeric(10, 2) NOT NULL
);
CREATE TABLE notes (
    id integer PRIMARY KEY, patient_id integer NOT NULL REFERENCES patients,
    encounter_id integer NOT NULL REFERENCES encounters, author text NOT NULL, body text NOT NULL
);
CREATE TABLE claims (
    id integer PRIMARY KEY, patient_id integer NOT NULL REFERENCES patients,
    encounter_id integer NOT NULL REFERENCES encounters, payer text NOT NULL, member_id text, amount numeric(10, 2),
    status text NOT NULL, document jsonb NOT NULL
);
";

const VIEWS: &str = "\
CREATE INDEX ON encounters (patient_id);
CREATE VIEW patient_directory AS SELECT id, first_name || ' ' || last_name AS name, phone FROM patients;
CREATE VIEW department_load AS SELECT department, count(*) AS encounters FROM encounters GROUP BY department;
ANALYZE;
";

#[cfg(test)]
mod tests {
    use super::{Clinic, SEED};

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
        assert_eq!(Clinic::generate(SEED, 50).sql, Clinic::generate(SEED, 50).sql);
        assert_ne!(Clinic::generate(SEED, 50).sql, Clinic::generate(SEED + 1, 50).sql);
    }

    #[test]
    fn every_canary_is_in_the_data() {
        let clinic = Clinic::generate(SEED, 50);
        for canary in &clinic.canaries {
            assert!(clinic.sql.contains(canary), "{canary}");
        }
        assert!(clinic.canaries.len() > 300);
    }
}
