//! Mutants of whose records were released, sealed again by the proxies that say it.

use exhibit_policy::patients::PATIENTS;
use exhibit_schemas::event::Body;
use exhibit_schemas::event::access::{Action, Attribute, PatientRecords, PatientToken, RecordsReleased, ResponseChunk};
use exhibit_tests::bundle_builder::Plan;
use exhibit_verify::Code;

use super::{Base, Expected, Mutant, Random};

type Place = (usize, usize);

/// How many of each class.
const EACH: usize = 8;

/// Mutants of a log whose policy names patients, and of the one of `nobody`, whose policy does not.
pub(crate) fn mutants(nobody: &Base, random: &mut Random) -> Vec<Mutant> {
    let identifying = Base::identifying();
    let classes = [unsaid, miscounted, disordered, unnamed, misnamed, denied];
    let each = classes.iter().flat_map(|change| std::iter::repeat_n(change, EACH));
    let mut mutants: Vec<_> = each.map(|change| change(&identifying, random)).collect();
    mutants.extend((0..EACH).map(|_| unasked(nobody, random)));
    mutants
}

fn mutant(base: &Base, class: &'static str, plan: &Plan, place: Place, code: Code) -> Mutant {
    let index = plan.build().index_of(place);
    base.sealed(class, format!("#{index}"), plan, Expected::at(&[code], index, index))
}

fn chunk_mut(plan: &mut Plan, place: Place) -> &mut ResponseChunk {
    let Body::ResponseChunk(chunk) = &mut plan.event_mut(place).body else {
        panic!("a chunk was looked for");
    };
    chunk
}

fn records_mut(plan: &mut Plan, place: Place) -> &mut RecordsReleased {
    chunk_mut(plan, place).patients.as_mut().unwrap()
}

fn with_records(plan: &Plan, random: &mut Random) -> Place {
    random.pick(&plan.find(|event| matches!(&event.body, Body::ResponseChunk(chunk) if chunk.patients.is_some())))
}

fn with_columns(plan: &Plan, random: &mut Random) -> Place {
    random.pick(&plan.find(|event| matches!(&event.body, Body::ResponseChunk(chunk) if chunk.columns.is_some())))
}

fn one(number: u8, records: u64) -> PatientRecords {
    PatientRecords {
        patient: PatientToken([number; 16]),
        records,
    }
}

/// Nothing says whose records some rows are.
fn unsaid(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = with_records(&plan, random);
    chunk_mut(&mut plan, place).patients = None;
    mutant(base, "patients-unsaid", &plan, place, Code::PatientsMissing)
}

/// A patient is left out, or counted with more records than there are rows.
fn miscounted(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = with_records(&plan, random);
    let choice = random.below(3);
    let records = records_mut(&mut plan, place);
    match choice {
        0 => drop(records.patients.pop()),
        1 => records.unknown = 4,
        _ => records.patients.push(one(0xee, 3)),
    }
    mutant(base, "patients-miscounted", &plan, place, Code::PatientsCount)
}

/// A patient stands twice, in the wrong order, or without a record.
fn disordered(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = with_records(&plan, random);
    let choice = random.below(3);
    let records = records_mut(&mut plan, place);
    (records.patients, records.unknown) = match choice {
        0 => (vec![one(1, 1), one(1, 2)], 0),
        1 => (vec![one(2, 2), one(1, 1)], 0),
        _ => (vec![one(1, 0)], 3),
    };
    mutant(base, "patients-disordered", &plan, place, Code::PatientsCount)
}

/// A column that names patients says that it names none.
fn unnamed(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = with_columns(&plan, random);
    let columns = chunk_mut(&mut plan, place).columns.as_mut().unwrap();
    columns[0].patients = None;
    // The tokens that the column should have named are one fault with it.
    let mut mutant = mutant(base, "patients-unnamed", &plan, place, Code::PatientsMissing);
    mutant.many = true;
    mutant
}

/// Patients are named by another column, or in another domain.
fn misnamed(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = with_columns(&plan, random);
    let choice = random.below(2);
    let columns = chunk_mut(&mut plan, place).columns.as_mut().unwrap();
    match choice {
        0 => columns[0].patients = Some("other".to_owned()),
        _ => columns[3].patients = Some("patient".to_owned()),
    }
    mutant(base, "patients-misnamed", &plan, place, Code::PatientsUnasked)
}

/// A command that names a relation of patients says that it reads no records of theirs.
fn denied(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let reads = plan.find(|event| match &event.body {
        Body::Command(command) => command.facts.accesses.iter().any(|access| access.0 == Action::Read),
        _ => false,
    });
    let place = random.pick(&reads);
    let Body::Command(command) = &mut plan.event_mut(place).body else {
        panic!("a command was looked for");
    };
    command
        .facts
        .attributes
        .insert(PATIENTS.to_owned(), Attribute::Bool(false));
    let mut mutant = mutant(base, "patients-denied", &plan, place, Code::PatientsMissing);
    mutant.many = true;
    mutant
}

/// A policy names no patients, and a proxy does.
fn unasked(nobody: &Base, random: &mut Random) -> Mutant {
    let mut plan = nobody.plan();
    let place = with_columns(&plan, random);
    let choice = random.below(2);
    let chunk = chunk_mut(&mut plan, place);
    match choice {
        0 => chunk.columns.as_mut().unwrap()[0].patients = Some("patient".to_owned()),
        _ => {
            chunk.patients = Some(RecordsReleased {
                patients: Vec::new(),
                unknown: 3,
            });
        }
    }
    mutant(nobody, "patients-unasked", &plan, place, Code::PatientsUnasked)
}
