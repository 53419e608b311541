//! Runs rehearsals and tells what came of them.

use std::collections::BTreeMap;
use std::time::Duration;

use pglock_core::Drift;

use crate::account::Account;
use crate::chronicle::{Chronicle, Fact};
use crate::oracle::{Broken, Verdict, broken};
use crate::plan::nanos;
use crate::shrink::smallest;
use crate::simulate::Failed;
use crate::tape::Tape;
use crate::trace::Kept;

use super::client::Client;
use super::fault::Fault;
use super::mishap::Mishap;
use super::scene::{Errand, House, Scene, Settings};
use super::stage::{Part, Stage};
use super::tasks::Tasks;

/// What came of one rehearsal in which no rule was broken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Rehearsed {
    /// A hash of all that happened: the same choices give the same one.
    pub trace: u64,
    /// How many events there were.
    pub steps: u64,
    /// How long it took, in nanoseconds of true time.
    pub simulated: u64,
    /// What went wrong how often.
    pub met: BTreeMap<Fault, u64>,
}

/// Rehearses the programs that `script` puts on the stage, as a seed chooses.
///
/// # Errors
/// When a rule was broken.
pub fn rehearse(seed: u64, script: impl Fn(&mut Stage)) -> Result<Rehearsed, Box<Mishap>> {
    Rehearsal::default().seed(seed, script)
}

/// Spans that are drawn are parts of a lease, down to some thousandths.
const SHORTEST_LEASE: u64 = 1_000_000;

/// How to rehearse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Rehearsal {
    lease: Duration,
    drift: Drift,
    patience: Duration,
    is_calm: bool,
}

/// For programs that use the default settings.
impl Default for Rehearsal {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(20),
            drift: Drift::default(),
            patience: Duration::from_secs(3_600),
            is_calm: false,
        }
    }
}

impl Rehearsal {
    /// About how long the leases of the programs are, 20 s by default: how long pauses and outages last is
    /// drawn accordingly.
    pub const fn lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// How wrong clocks are at most; as wrong as the programs' own settings allow, by default 1 % and 1 ms.
    pub const fn drift(self, drift: Drift) -> Self {
        Self { drift, ..self }
    }

    /// How long after the last fault all programs must have come to their end; an hour by default.
    pub const fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Nothing goes wrong, though messages take their time and clocks differ.
    pub const fn without_faults(self) -> Self {
        Self { is_calm: true, ..self }
    }

    /// Rehearses as a seed chooses.
    ///
    /// # Errors
    /// When a rule was broken.
    pub fn seed(self, seed: u64, script: impl Fn(&mut Stage)) -> Result<Rehearsed, Box<Mishap>> {
        self.run(Tape::from_seed(seed), script).map_err(|mut mishap| {
            mishap.seed = Some(seed);
            mishap
        })
    }

    /// Rehearses with these choices.
    ///
    /// # Errors
    /// When a rule was broken; it is rehearsed once more then, for the log.
    pub fn run(self, tape: Tape, script: impl Fn(&mut Stage)) -> Result<Rehearsed, Box<Mishap>> {
        let mut run = self.begin(tape, &script, false);
        match run.play(u64::MAX) {
            Ok(()) => Ok(run.done()),
            Err(_) => Err(Box::new(self.again(run.record(), &script))),
        }
    }

    /// What happened to rows and guards in a rehearsal, for a [second opinion](crate::judge()).
    ///
    /// ```
    /// use pglock_testkit::rehearsal::{Client, Rehearsal};
    /// use pglock_testkit::{Tape, judge};
    ///
    /// let account = Rehearsal::default().account(Tape::from_seed(7), |stage| {
    ///     stage.client(async |client: Client| {
    ///         let locks = client.connect(Default::default()).await?;
    ///         locks.acquire("invoices").await?.release().await.map(drop)
    ///     });
    /// });
    /// assert!(!account.entries.is_empty());
    /// assert_eq!(judge(&account), Ok(()));
    /// ```
    #[must_use]
    pub fn account(self, tape: Tape, script: impl Fn(&mut Stage)) -> Account {
        let mut run = self.begin(tape, &script, false);
        let _judged_by_others = run.play(u64::MAX).is_err();
        let mut scene = run.house.scene();
        scene.rules.take_account()
    }

    /// A rehearsal that breaks the same rule, as small as can be found in so many attempts.
    pub fn shrunk(self, mishap: &Mishap, attempts: u32, script: impl Fn(&mut Stage)) -> Mishap {
        let Mishap { broken, tape, steps, .. } = mishap.clone();
        let attempt = |tape, most, by: &str| {
            let mut run = self.begin(Tape::replay(tape), &script, false);
            let broken = run.play(most).err().filter(|broken| broken.by == by)?;
            Some(Failed { broken, tape: run.record(), steps: run.house.scene().steps })
        };
        let found = smallest(Failed { broken, tape, steps }, attempts, attempt);
        Mishap { seed: mishap.seed, ..self.again(found.tape, &script) }
    }

    fn again(self, tape: Vec<u64>, script: &impl Fn(&mut Stage)) -> Mishap {
        let mut run = self.begin(Tape::replay(tape.clone()), script, true);
        let broken = run.play(u64::MAX).err().unwrap_or_else(|| Broken {
            by: "O8",
            words: "the same choices gave another rehearsal: a program draws numbers, or knows a clock, \
                    that are not its client's"
                .into(),
            overlap: None,
        });
        let mut scene = run.house.scene();
        // The rule may be broken when nothing has happened for long that a picture shows.
        let now = scene.now;
        scene.trace.keep(now, || Fact::Over);
        let Kept { lines, moments } = scene.trace.take_kept();
        let (steps, names) = (scene.steps, scene.names.clone());
        let chronicle = Chronicle { names, moments, ..Chronicle::default() };
        Mishap { broken, seed: None, tape, steps, log: lines, chronicle }
    }

    fn begin(self, tape: Tape, script: &impl Fn(&mut Stage), with_log: bool) -> Run {
        let mut stage = Stage::default();
        script(&mut stage);
        let parts = stage.into_parts();
        let settings = Settings {
            lease: nanos(self.lease).max(SHORTEST_LEASE),
            ppm: self.drift.ppm().into(),
            granularity: nanos(self.drift.granularity()),
            patience: nanos(self.patience),
            is_calm: self.is_calm,
        };
        let scene = Scene::new(settings, tape, parts.iter().map(|part| part.role), with_log);
        Run { house: House::new(scene), tasks: Tasks::default(), parts }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.strike();
    }
}

/// A rehearsal under way.
struct Run {
    house: House,
    tasks: Tasks,
    parts: Vec<Part>,
}

impl Run {
    /// Until it is over, for `most` events.
    fn play(&mut self, most: u64) -> Verdict {
        loop {
            self.run_errands();
            let mut scene = self.house.scene();
            if scene.over || scene.steps >= most {
                return Ok(());
            }
            let Scene { processes, tape, now, .. } = &mut *scene;
            let may_run = |who: usize| processes.get(who).is_some_and(|who| who.is_awake(*now));
            let Some(turn) = self.tasks.next(may_run, |ready| tape.index(ready)) else {
                scene.go_on()?;
                continue;
            };
            scene.turn(turn)?;
            drop(scene);
            if let Err(words) = self.tasks.poll(turn) {
                return broken("panic", format!("w{} panicked: {words}", turn.who));
            }
            self.house.scene().look()?;
        }
    }

    /// Futures are made and dropped while nobody has the scene.
    fn run_errands(&mut self) {
        loop {
            let errands = std::mem::take(&mut self.house.scene().errands);
            if errands.is_empty() {
                return;
            }
            errands.into_iter().for_each(|errand| self.run_errand(errand));
        }
    }

    fn run_errand(&mut self, errand: Errand) {
        match errand {
            Errand::Start { seat, who } => {
                if let Some(part) = self.parts.get(seat) {
                    self.tasks.begin(who, part.play(Client::new(self.house.clone(), who)));
                }
            }
            Errand::Spawn { who, future } => {
                let alive = self.house.scene().is_alive(who);
                if alive {
                    self.tasks.begin(who, future);
                }
            }
            Errand::End { who } => self.tasks.end(who),
        }
    }

    /// Lets go of all that has hold of the scene from within it.
    fn strike(&mut self) {
        self.tasks = Tasks::default();
        let mut scene = self.house.scene();
        let left = (scene.rules.strike(), std::mem::take(&mut scene.errands));
        drop(scene);
        drop(left);
    }

    fn record(&self) -> Vec<u64> {
        self.house.scene().tape.record().to_vec()
    }

    fn done(&self) -> Rehearsed {
        let scene = self.house.scene();
        Rehearsed {
            trace: scene.trace.hash(),
            steps: scene.steps,
            simulated: scene.now,
            met: scene.met.clone(),
        }
    }
}
