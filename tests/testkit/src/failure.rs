//! Writes a broken rule into a folder: all that somebody needs who has never seen the history.

use std::fs;
use std::io;
use std::path::Path;

use crate::oracle::Broken;
use crate::simulate::Violation;

impl Violation {
    /// Writes a folder, made if it is missing, with the rule and the options (`violation.txt`), the choices
    /// (`tape.txt`), the log (`log.txt`), a test to paste (`test.rs`), and the timeline (`timeline.txt`,
    /// `timeline.svg`).
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_to(&self, folder: &Path) -> io::Result<()> {
        let timeline = self.timeline();
        let files = [
            ("violation.txt", self.summary()),
            ("tape.txt", lines(&self.tape)),
            ("log.txt", lines(&self.log)),
            ("test.rs", self.test()),
            ("timeline.txt", timeline.text()),
            ("timeline.svg", timeline.svg()),
        ];
        write(folder, &files)
    }

    /// A test that fails as long as the history breaks a rule, ready to be pasted.
    #[must_use]
    pub fn test(&self) -> String {
        let Self { broken, scenario, options, tape, .. } = self;
        let run = match options.clients {
            None => format!("run(Scenario::{scenario:?}, tape)"),
            Some(clients) => format!(
                "run_with(Scenario::{scenario:?}, tape, Options::default().with_clients({clients}))"
            ),
        };
        let name = if options.clients.is_some() {
            "Options, Scenario, Tape, run_with"
        } else {
            "Scenario, Tape, run"
        };
        test_of(broken, name, &run, tape)
    }

    fn summary(&self) -> String {
        let Self { broken, scenario, steps, tape, plan, options, .. } = self;
        let seed = self.seed.map_or_else(|| "unknown".into(), |seed| seed.to_string());
        let clients =
            options.clients.map_or_else(|| "as drawn".into(), |clients| clients.to_string());
        let chosen = if options.scenario.is_some() { "fixed" } else { "by the seed" };
        format!(
            "{broken}\n{}\n\nfound under seed {seed}, clients {clients}, scenario {chosen}\nscenario {scenario:?}, {} choices, \
             {steps} events\n\n{plan}\n",
            self.opinion(),
            tape.len()
        )
    }
}

/// Writes files into a folder, made if it is missing.
pub(crate) fn write(folder: &Path, files: &[(&str, String)]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    files.iter().try_for_each(|(name, text)| fs::write(folder.join(name), text))
}

/// A test that runs a history once more.
pub(crate) fn test_of(broken: &Broken, names: &str, run: &str, tape: &[u64]) -> String {
    let broken = broken.to_string().replace('\n', " ");
    format!(
        "/// {broken}\n#[test]\nfn breaks_no_rule() {{\n    use pglock_testkit::{{{names}}};\n\n    \
         let tape = Tape::replay(vec!{tape:?});\n    \
         if let Err(violation) = {run} {{\n        panic!(\"{{violation}}\");\n    }}\n}}\n"
    )
}

pub(crate) fn lines<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(|item| format!("{item}\n")).collect()
}
