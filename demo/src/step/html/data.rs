//! A recording as the page embeds it: JSON without repeated names.
//!
//! An event is a row: the number of its shape, the time since the previous event, and the values of the shape's fields.
//! A value that is not a number is an index into the table of values. `history.js` reads this format.

use crate::step::lints::{Finding, Lines, lint};
use crate::step::runtime_code::{Code, Excerpt, codes};
use crate::step::source::Sources;
use executor::task::{StateWord, Transition};
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
    /// The files that are left out, and why.
    left_out: BTreeMap<&'a str, Rc<str>>,
    shapes: Vec<Shape>,
    values: Vec<Value>,
    events: Vec<Vec<i64>>,
    findings: Vec<Found>,
    /// The functions of the runtime that events name, and the lists of them.
    codes: Vec<Function>,
    code_lists: Vec<Vec<usize>>,
    /// The names of the bits of a state word.
    bits: Vec<&'static str>,
}

/// A function of the runtime.
#[derive(Serialize)]
struct Function {
    path: &'static str,
    function: &'static str,
    /// The number of the first line.
    first: usize,
    lines: Vec<String>,
    /// The index of the marked line.
    marked: usize,
}

impl Function {
    fn new(code: Code, sources: &Sources) -> Function {
        let none = |error: &str| Excerpt { first: 1, lines: vec![error.to_owned()], marked: 0 };
        let excerpt = code.excerpt(sources);
        let Excerpt { first, lines, marked } = excerpt.unwrap_or_else(|_| none("// not found in this build"));
        Function { path: code.path(), function: code.function, first, lines, marked }
    }
}

/// A finding. Events are numbered from 0.
#[derive(Serialize)]
struct Found {
    kind: String,
    event: usize,
    task: u64,
    /// The events and tasks of the same mistake with the same spawn location.
    others: Vec<(usize, u64)>,
    text: String,
    /// The file and the first line at fault.
    at: Option<(String, u32)>,
}

impl From<Finding> for Found {
    fn from(Finding { kind, event, task, others, text, at, .. }: Finding) -> Found {
        let at = at.map(|Lines { file, first, .. }| (file, first));
        Found { kind: kind.to_string(), event, task, others, text, at }
    }
}

/// Consecutive lines of a source file.
#[derive(Serialize)]
struct Piece {
    /// The number of the first line.
    first: usize,
    lines: Vec<String>,
}

#[derive(Clone, Serialize, PartialEq, Eq, Hash)]
struct Shape {
    event: String,
    /// The names of the fields. Those of indices end in `*`.
    fields: Vec<String>,
}

/// The recording, for a `<script>` element.
pub(super) fn of(trace: &Trace, sources: &Sources) -> io::Result<String> {
    let mut rows = Rows::default();
    let mut last = 0;
    let mut events = Vec::with_capacity(trace.records.len());
    for record in &trace.records {
        // The clocks of several runtimes may differ.
        let since_last = i128::from(record.at) - i128::from(last);
        let since_last = since_last.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        events.push(rows.row(record, since_last)?);
        last = record.at;
    }
    let Rows { shapes, values, codes, code_lists, .. } = rows;
    let codes = codes.into_iter().map(|code| Function::new(code, sources)).collect();
    let bits = StateWord::all_names().collect();
    let (head, places, chains, files) = (&trace.head, &*trace.places, &*trace.chains, files(trace, sources));
    let left_out = left_out(trace, sources);
    let findings = lint(trace).into_iter().map(Found::from).collect();
    #[rustfmt::skip]
    let data = Data {
        head, places, chains, files, left_out, shapes, values, events, findings, codes, code_lists, bits,
    };
    let text = serde_json::to_string(&data)?;
    // JSON has `<` only in strings. With `<` escaped, no string can end the script element.
    Ok(text.replace('<', "\\u003c"))
}

#[derive(Default)]
struct Rows {
    shapes: Vec<Shape>,
    shape_numbers: HashMap<Shape, i64>,
    values: Vec<Value>,
    value_numbers: HashMap<String, i64>,
    codes: Vec<Code>,
    code_lists: Vec<Vec<usize>>,
    list_numbers: HashMap<&'static [Code], usize>,
}

impl Rows {
    fn row(&mut self, record: &Record, since_last: i64) -> io::Result<Vec<i64>> {
        let Value::Object(mut fields) = serde_json::to_value(record)? else {
            unreachable!("a record is an object");
        };
        fields.remove("at");
        if let Some(transition) = &record.transition {
            fields.remove("transition");
            fields.extend(transition_fields(transition));
        }
        fields.insert("code".into(), self.code_list(codes(record)).into());
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

    /// The number of a list of functions.
    fn code_list(&mut self, list: &'static [Code]) -> usize {
        if let Some(number) = self.list_numbers.get(list) {
            return *number;
        }
        let mut number = |code: &Code| match self.codes.iter().position(|known| known == code) {
            Some(known) => known,
            None => {
                self.codes.push(*code);
                self.codes.len() - 1
            }
        };
        let numbers = list.iter().map(&mut number).collect();
        self.code_lists.push(numbers);
        self.list_numbers.insert(list, self.code_lists.len() - 1);
        self.code_lists.len() - 1
    }

    /// Adds the values to the row and returns the names of the fields.
    fn fields(&mut self, fields: Map<String, Value>, row: &mut Vec<i64>) -> Vec<String> {
        let mut names = Vec::new();
        for (name, value) in fields {
            // JavaScript would round larger whole numbers, so they become texts.
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

/// A transition as numbers. As a text it would differ from event to event, as most of its fields do.
fn transition_fields(transition: &Transition) -> Map<String, Value> {
    let Transition { before, after, queue, .. } = transition;
    let mut fields = Map::new();
    fields.insert("edge".into(), transition.to_string().into());
    if let Some(queue) = queue {
        fields.insert("queue".into(), format!("{queue:?}").to_lowercase().into());
    }
    let words = [("before", transition.from().map(|_| before)), ("after", Some(after))];
    for (name, word) in words.into_iter().filter_map(|(name, word)| Some((name, word?))) {
        let parts = [("bits", word.bits()), ("references", word.references()), ("polls", word.polls())];
        fields.extend(parts.map(|(part, value)| (format!("{name}_{part}"), value.into())));
    }
    fields
}

/// The largest whole number that JavaScript represents exactly.
const LARGEST: i64 = (1 << 53) - 1;

/// Files of up to this many lines are embedded whole.
const WHOLE: usize = 300;
/// In longer files, this many lines before and after each line that an event names are embedded.
const AROUND: usize = 15;

/// The lines that the recording names, by file.
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

/// The files that the recording names and that were not read, with the reason.
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
