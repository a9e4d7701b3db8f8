//! A recording as the page has it in itself: JSON without the names that repeat.
//!
//! An event is a row: the number of its shape, the time since the event before, the values of the shape's fields. A
//! value that is no number goes by its index in the table of values. `history.js` reads it.

use super::super::Sources;
use super::super::lints::{Finding, lint};
use executor::trace::{Head, Record, SourcePlace, Trace};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::rc::Rc;

#[derive(Serialize)]
struct Data<'a> {
    head: &'a Head,
    places: &'a [SourcePlace],
    chains: &'a [Vec<executor::trace::Frame>],
    files: BTreeMap<&'a str, Vec<Piece>>,
    /// The files that are not there, and why.
    left_out: BTreeMap<&'a str, Rc<str>>,
    shapes: Vec<Shape>,
    values: Vec<Value>,
    events: Vec<Vec<i64>>,
    findings: Vec<Told>,
}

/// Something that is wrong. Events are numbered from 0.
#[derive(Serialize)]
struct Told {
    kind: String,
    event: usize,
    task: u64,
    /// The event and the task of each other that has the same.
    others: Vec<(usize, u64)>,
    text: String,
}

impl From<Finding> for Told {
    fn from(Finding { kind, event, task, others, text, .. }: Finding) -> Told {
        Told { kind: kind.to_string(), event, task, others, text }
    }
}

/// Lines of a source file that follow each other.
#[derive(Serialize)]
struct Piece {
    /// The number of the first one.
    first: usize,
    lines: Vec<String>,
}

#[derive(Clone, Serialize, PartialEq, Eq, Hash)]
struct Shape {
    event: String,
    /// Names of fields; those that go by an index end in `*`.
    fields: Vec<String>,
}

/// The recording, to stand in a `<script>`.
pub(super) fn of(trace: &Trace, sources: &Sources) -> io::Result<String> {
    let mut rows = Rows::default();
    let mut last = 0;
    let mut events = Vec::with_capacity(trace.records.len());
    for record in &trace.records {
        // Clocks of several runtimes may be at different times.
        let since_last = i128::from(record.at) - i128::from(last);
        let since_last = since_last.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        events.push(rows.row(record, since_last)?);
        last = record.at;
    }
    let Rows { shapes, values, .. } = rows;
    let (head, places, chains, files) = (&trace.head, &*trace.places, &*trace.chains, files(trace, sources));
    let left_out = left_out(trace, sources);
    let findings = lint(trace).into_iter().map(Told::from).collect();
    let data = Data { head, places, chains, files, left_out, shapes, values, events, findings };
    let text = serde_json::to_string(&data)?;
    // A `<` stands in strings only; written like this, nothing in a string ends the script.
    Ok(text.replace('<', "\\u003c"))
}

#[derive(Default)]
struct Rows {
    shapes: Vec<Shape>,
    shape_numbers: HashMap<Shape, i64>,
    values: Vec<Value>,
    value_numbers: HashMap<String, i64>,
}

impl Rows {
    fn row(&mut self, record: &Record, since_last: i64) -> io::Result<Vec<i64>> {
        let Value::Object(mut fields) = serde_json::to_value(record)? else {
            unreachable!("a record is an object");
        };
        fields.remove("at");
        let event = fields.remove("event").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
        let mut row = vec![0, since_last];
        let shape = Shape { event, fields: self.fields(fields, &mut row) };
        let next = self.shapes.len() as i64;
        row[0] = *self.shape_numbers.entry(shape.clone()).or_insert(next);
        if row[0] == next {
            self.shapes.push(shape);
        }
        Ok(row)
    }

    /// Adds the values to the row and gives the fields' names.
    fn fields(&mut self, fields: Map<String, Value>, row: &mut Vec<i64>) -> Vec<String> {
        let mut names = Vec::new();
        for (name, value) in fields {
            // A script has no larger whole numbers: these stay texts, so that two of them stay two.
            let value = match value.as_u64().filter(|number| *number > LARGEST as u64) {
                Some(number) => Value::String(number.to_string()),
                None => value,
            };
            match value.as_i64().filter(|number| *number >= 0) {
                Some(number) => {
                    row.push(number);
                    names.push(name);
                }
                None => {
                    row.push(self.number(value));
                    names.push(name + "*");
                }
            }
        }
        names
    }

    fn number(&mut self, value: Value) -> i64 {
        let next = self.values.len() as i64;
        let number = *self.value_numbers.entry(value.to_string()).or_insert(next);
        if number == next {
            self.values.push(value);
        }
        number
    }
}

/// The largest whole number of a script.
const LARGEST: i64 = (1 << 53) - 1;

/// Files of up to so many lines are there whole.
const WHOLE: usize = 300;
/// Of others, so many lines before and after each that an event refers to.
const AROUND: usize = 15;

/// The lines of each file that the recording names.
fn named(trace: &Trace) -> BTreeMap<&str, BTreeSet<usize>> {
    let places = trace.places.iter().map(|place| (&*place.file, place.line as usize));
    let frames = trace.chains.iter().flatten().map(|frame| (&*frame.file, frame.line as usize));
    let mut wanted: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (file, line) in places.chain(frames).filter(|(file, line)| !file.is_empty() && *line > 0) {
        wanted.entry(file).or_default().insert(line);
    }
    wanted
}

fn files<'a>(trace: &'a Trace, sources: &Sources) -> BTreeMap<&'a str, Vec<Piece>> {
    let wanted = named(trace).into_iter();
    wanted.filter_map(|(file, lines)| Some((file, pieces(&sources.lines(file)?, &lines)))).collect()
}

/// The files that the recording names and that are not read, with the reason.
pub(in crate::step) fn left_out<'a>(trace: &'a Trace, sources: &Sources) -> BTreeMap<&'a str, Rc<str>> {
    named(trace).into_keys().filter_map(|file| Some((file, sources.why_not(file)?))).collect()
}

fn pieces(text: &[String], wanted: &BTreeSet<usize>) -> Vec<Piece> {
    let whole = text.len() <= WHOLE;
    let near = |line: usize| wanted.range(line.saturating_sub(AROUND)..=line.saturating_add(AROUND)).next().is_some();
    let mut pieces: Vec<Piece> = Vec::new();
    for (line, text) in (1..).zip(text).filter(|(line, _)| whole || near(*line)) {
        match pieces.last_mut().filter(|piece| piece.first + piece.lines.len() == line) {
            Some(piece) => piece.lines.push(text.clone()),
            None => pieces.push(Piece { first: line, lines: vec![text.clone()] }),
        }
    }
    pieces
}
