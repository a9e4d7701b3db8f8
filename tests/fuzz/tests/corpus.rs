//! Runs each target on its inputs in `corpus/`: those that cover its code, and those that once failed.

use std::fs;
use std::path::Path;

#[test]
fn every_target_accepts_the_inputs_in_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in fuzz::TARGETS {
        let inputs = fs::read_dir(corpus.join(name)).unwrap_or_else(|error| panic!("no corpus of {name}: {error}"));
        let mut count = 0;
        for input in inputs {
            let path = input.unwrap().path();
            println!("{}", path.display()); // shown if it fails
            target(&fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count > 0, "the corpus of {name} is empty");
    }
}

#[test]
fn every_target_accepts_an_empty_input_and_any_byte() {
    for (_, target) in fuzz::TARGETS {
        target(&[]);
        (0..=255).for_each(|byte| target(&[byte]));
    }
}
