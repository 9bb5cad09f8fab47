//! A run: from the answers of the redirect to the proof that each of them was counted once.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use domain::{Link, LinkId, Slug};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use lambda::{Boot, Function, Invocation, Random};
use serde_json::Value;
use testkit::{World, link, now};

use crate::chance::{Chance, Zipf};
use crate::crowd::{Gateway, ORIGIN_SECRET, Person, Visit};
use crate::logs::LostClicks;
use crate::model::Model;
use crate::post::Postman;
use crate::proof;
use crate::sim::{Life, Sim};
use crate::weather::{Climate, Mistake, Weather};

/// How large a run is, and what happens in it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What all choices come from.
    pub seed: u64,
    /// How many visits there are. Some of them are no clicks.
    pub clicks: usize,
    /// Over how many links they are spread, by Zipf's law.
    pub links: usize,
    /// Over how many hours they are spread.
    pub hours: u32,
    /// How many workers there are at once.
    pub workers: usize,
    /// How many messages a batch has, at most.
    pub batch: usize,
    /// Which part of all batches is killed.
    pub killed: f64,
    /// What goes wrong by itself.
    pub climate: Climate,
    /// What the program does wrong: for runs that must fail.
    pub mistake: Option<Mistake>,
}

impl Plan {
    /// What a mistake is looked for with: enough for all that can go wrong to do so.
    pub fn tiny(seed: u64) -> Self {
        Self { clicks: 500, links: 20, hours: 12, batch: 40, ..Self::small(seed) }
    }

    /// What runs with every test: some thousand clicks in three days.
    pub fn small(seed: u64) -> Self {
        Self {
            seed,
            clicks: 2_500,
            links: 120,
            hours: 60,
            workers: 3,
            batch: 120,
            killed: 0.25,
            climate: Climate::STORM,
            mistake: None,
        }
    }

    /// The size that is asked for by hand: a link for every 40 clicks.
    pub fn full(seed: u64, clicks: usize) -> Self {
        Self { clicks, links: (clicks / 40).max(1), workers: 6, batch: 1_000, ..Self::small(seed) }
    }
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Where something is not as it was clicked, in words; nothing if all is exact.
    pub findings: Vec<String>,
    /// How much of what there was.
    pub figures: BTreeMap<String, u64>,
}

impl Report {
    /// Whether all is exact.
    pub fn is_exact(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, number) in &self.figures {
            writeln!(f, "{number:>12}  {name}")?;
        }
        for finding in self.findings.iter().take(50) {
            writeln!(f, "found: {finding}")?;
        }
        match self.findings.len() {
            0 => f.write_str("Every answer was counted once, wherever one looks."),
            count => write!(f, "{count} findings."),
        }
    }
}

/// A function that can be killed.
pub(crate) struct Worker {
    pub(crate) life: Arc<Life>,
    pub(crate) function: Function,
}

impl Worker {
    /// Lets it work, up to this wait.
    pub(crate) async fn work(&self, waits: Option<u64>, what: Invocation) -> Done {
        match self.life.of(waits, self.function.invoke(what)).await {
            None => Done::Killed,
            Some(Err(_)) => Done::Failed,
            Some(Ok(answer)) => Done::Answered(answer),
        }
    }
}

/// How an invocation ended.
#[derive(Debug)]
pub(crate) enum Done {
    Answered(Vec<u8>),
    Failed,
    Killed,
}

/// A place where clicks are tortured.
pub struct Rack {
    pub(crate) plan: Plan,
    pub(crate) world: World,
    pub(crate) sim: Sim,
    pub(crate) weather: Weather,
    pub(crate) chance: Chance,
    pub(crate) links: Vec<Link>,
    pub(crate) model: Model,
    recorders: Vec<Worker>,
    salter: Worker,
    redirects: Vec<Function>,
    gateway: Gateway,
    post: Postman,
    lost: LostClicks,
    figures: BTreeMap<&'static str, u64>,
}

impl fmt::Debug for Rack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rack").field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// Does a whole run; `say` is told how far it is.
pub async fn run(plan: Plan, say: &dyn Fn(&str)) -> Report {
    let (lost, _listening) = LostClicks::listen();
    let mut rack = Rack::new(plan, lost).await;
    rack.click(say).await;
    rack.finish(say).await;
    rack.report(say).await
}

/// Kills a worker at its first wait, another one at its second, and so on until one of them comes to
/// its end; and delivers what they had once more. Answers also how many were killed.
pub async fn kill_everywhere(seed: u64) -> (u64, Report) {
    let (lost, _listening) = LostClicks::listen();
    let plan =
        Plan { links: 6, climate: Climate::CALM, killed: 0.0, workers: 1, ..Plan::small(seed) };
    let mut rack = Rack::new(plan, lost).await;
    rack.post.be_punctual();
    rack.rotate_salts().await;
    let zipf = Zipf::of(rack.links.len());
    let mut killed = 0;
    loop {
        for _ in 0..20 {
            rack.visit(&zipf, 50).await;
            rack.go_to(rack.world.clock.now() + SignedDuration::from_mins(17));
        }
        rack.rotate_salts().await;
        let now = rack.world.clock.now();
        rack.post.collect(now).await;
        let batch: Vec<usize> = rack.post.due(now, usize::MAX).concat();
        let event = rack.post.event(&batch);
        match rack.sim.run(rack.recorders[0].work(Some(killed), event)).await {
            Done::Killed | Done::Failed => {
                rack.post.give_back(&batch, now);
                killed += 1;
            }
            Done::Answered(answer) => {
                rack.post.answered(&batch, &answer, now);
                break;
            }
        }
    }
    rack.post.delete().await;
    rack.finish(&|_| ()).await;
    (killed, rack.report(&|_| ()).await)
}

impl Rack {
    /// A world with its links, and all functions over it, in calm weather.
    async fn new(plan: Plan, lost: LostClicks) -> Self {
        // The SDKs draw how long they wait between tries from here.
        fastrand::seed(plan.seed);
        let mut chance = Chance::new(plan.seed);
        let (world, sim) = (World::new().await, Sim::default());
        let weather = Weather::over(&world.aside(), &sim, chance.branch());
        let links: Vec<Link> = (0..plan.links).map(a_link).collect();
        for link in &links {
            world.add(link).await;
        }
        let mut seed = chance.branch();
        let boot = |name, life: &Arc<Life>, more: &[(&'static str, &str)]| Boot {
            aws: weather.aws(life),
            random: Random::seeded(seed.bits()),
            ..world.boot_with(name, more)
        };
        let (recorders, salter, redirects) = load(&plan, boot).await;
        let post = Postman::of(&world, world.queue_url(), chance.branch());
        Self {
            plan,
            world,
            sim,
            weather,
            chance,
            links,
            model: Model::default(),
            recorders,
            salter,
            redirects,
            gateway: Gateway::default(),
            post,
            lost,
            figures: BTreeMap::new(),
        }
    }

    /// All visits, hour by hour, while the workers work in bad weather.
    async fn click(&mut self, say: &dyn Fn(&str)) {
        let begin = Instant::now();
        let (zipf, hours) = (Zipf::of(self.links.len()), self.plan.hours);
        let people = u32::try_from(self.plan.clicks / 4).unwrap_or(u32::MAX).max(1);
        self.weather.err(self.plan.mistake);
        let mut clicked = 0;
        for hour in 0..hours {
            self.rotate_salts().await;
            self.weather.turn(self.plan.climate);
            let until = self.plan.clicks * usize::try_from(hour + 1).unwrap_or(0)
                / usize::try_from(hours).unwrap_or(1);
            let from = self.world.clock.now();
            let mut seconds: Vec<i64> = (clicked..until)
                .map(|_| i64::try_from(self.chance.below(3_600_000)).unwrap_or(0))
                .collect();
            seconds.sort_unstable();
            // In one hour of eight nobody can send; what the log has then is sent again.
            self.weather.sqs_is_away(self.chance.happens(0.02));
            for milliseconds in seconds {
                self.go_to(from + SignedDuration::from_millis(milliseconds));
                self.visit(&zipf, people).await;
            }
            clicked = until;
            self.weather.sqs_is_away(false);
            self.go_to(from + SignedDuration::from_hours(1));
            self.weather.s3_is_away(self.chance.happens(0.1));
            self.deliver().await;
            self.weather.s3_is_away(false);
            if hour % 6 == 5 {
                let seconds = begin.elapsed().as_secs();
                say(&format!("{seconds:>5} s: {clicked} visits, hour {} of {hours}", hour + 1));
            }
        }
    }

    /// The schedule of the salts: in the first hour in calm weather, then in any.
    async fn rotate_salts(&self) {
        let event = scheduled("rotate-salts", self.world.clock.now());
        self.sim.run(self.salter.work(None, event)).await;
    }

    /// One request for a link, or for what is none.
    async fn visit(&mut self, zipf: &Zipf, people: u32) {
        let at = self.world.clock.now();
        let number = u32::try_from(self.chance.below(u64::from(people))).unwrap_or(0);
        let person = Person::of(number, self.plan.seed);
        let visit = Visit::by(person, at, &mut self.chance);
        let function = &self.redirects[self.chance.index(self.redirects.len())];
        let place = zipf.pick(&mut self.chance);
        let link = &self.links[place];
        let is_alias = self.chance.happens(0.2);
        let slug = link.aliases.first().filter(|_| is_alias).unwrap_or(&link.slug).as_str();
        let event = self.gateway.event(slug, &visit);
        let answer = self.sim.run(function.invoke(Invocation::new(event, "torture"))).await;
        let answer: Value =
            answer.ok().and_then(|it| serde_json::from_slice(&it).ok()).unwrap_or_default();
        if answer["statusCode"] != 302 {
            *self.figures.entry("visits that were not answered").or_default() += 1;
        } else if visit.is_head {
            *self.figures.entry("answers that are no clicks").or_default() += 1;
        } else {
            self.model.answered(place, &link.id.to_string(), &visit);
        }
    }

    /// What is due goes to the workers, until nothing is.
    async fn deliver(&mut self) {
        for line in self.lost.take() {
            *self.figures.entry("clicks that were only in the log").or_default() += 1;
            self.post.send(&line).await;
        }
        let now = self.world.clock.now();
        self.post.collect(now).await;
        let batches = self.post.due(now, self.plan.batch);
        *self.figures.entry("batches").or_default() += u64::try_from(batches.len()).unwrap_or(0);
        let batches: VecDeque<_> = batches
            .into_iter()
            .map(|batch| {
                let killed = self.chance.happens(self.plan.killed);
                // Few calls are made by most batches, and many by some.
                let waits = self.chance.below(12) * (1 + self.chance.below(6));
                (self.post.event(&batch), killed.then_some(waits), batch)
            })
            .collect();
        let (batches, ends) = (RefCell::new(batches), RefCell::new(Vec::new()));
        let workers = self.recorders.iter().map(async |worker| {
            loop {
                let next = batches.borrow_mut().pop_front();
                let Some((event, waits, batch)) = next else { return };
                let end = worker.work(waits, event).await;
                ends.borrow_mut().push((batch, end));
            }
        });
        self.sim.run(join_all(workers)).await;
        for (batch, end) in ends.into_inner() {
            match end {
                Done::Answered(answer) => self.post.answered(&batch, &answer, now),
                Done::Failed => {
                    *self.figures.entry("batches that failed as a whole").or_default() += 1;
                    self.post.give_back(&batch, now);
                }
                Done::Killed => {
                    *self.figures.entry("batches that were killed").or_default() += 1;
                    self.post.give_back(&batch, now);
                }
            }
        }
        self.post.delete().await;
    }

    /// The storm goes on until all that is late has come; then it is calm.
    async fn finish(&mut self, say: &dyn Fn(&str)) {
        let mut rounds = 0;
        while let Some(next) = self.post.next() {
            rounds += 1;
            if rounds == 200 {
                self.weather.turn(Climate::CALM);
                self.plan.killed = 0.0;
            }
            // Something comes back for ever: the proof says what.
            if rounds == 400 {
                break;
            }
            let hour = self.world.clock.now() + SignedDuration::from_hours(1);
            self.go_to(next.max(hour));
            self.deliver().await;
        }
        self.weather.turn(Climate::CALM);
        self.weather.err(None);
        say(&format!("all is delivered after {rounds} more rounds"));
    }

    async fn report(mut self, say: &dyn Fn(&str)) -> Report {
        say("comparing");
        let mut findings = Vec::new();
        let left = self.post.left().await;
        if 0 < left {
            findings.push(format!("{left} messages were never acknowledged"));
        }
        findings.extend(proof::compare(&self).await);
        let mut figures: BTreeMap<String, u64> = self
            .weather
            .tally()
            .into_iter()
            .map(|(name, n)| (format!("calls: {name}"), n))
            .collect();
        self.figures.extend([
            ("clicks that were answered", self.model.answered),
            ("links that were clicked", u64::try_from(self.model.links.len()).unwrap_or(0)),
            ("messages", self.post.taken),
            ("messages that were handed over twice", self.post.doubled),
            ("messages that came back", self.post.returned),
            ("messages that came a day late, or later", self.post.late),
            ("seconds of the simulation", self.sim.now().as_secs()),
        ]);
        figures.extend(self.figures.iter().map(|(name, n)| ((*name).to_owned(), *n)));
        Report { findings, figures }
    }

    fn go_to(&self, at: Timestamp) {
        self.world
            .clock
            .advance(at.duration_since(self.world.clock.now()).max(SignedDuration::ZERO));
    }
}

/// The functions of a run.
async fn load(
    plan: &Plan,
    mut boot: impl FnMut(&'static str, &Arc<Life>, &[(&'static str, &str)]) -> Boot,
) -> (Vec<Worker>, Worker, Vec<Function>) {
    let mut recorders = Vec::new();
    for _ in 0..plan.workers {
        let life = Arc::default();
        let boot = boot("record-clicks", &life, &[]);
        let function = Function::sqs(boot, record_clicks::load, record_clicks::handle).await;
        recorders.push(Worker { life, function: function.expect("the settings are there") });
    }
    let life = Arc::default();
    let salter = boot("rotate-salts", &life, &[]);
    let function = Function::schedule(salter, rotate_salts::load, rotate_salts::handle).await;
    let salter = Worker { life, function: function.expect("the settings are there") };
    let mut redirects = Vec::new();
    for _ in 0..2 {
        let boot = boot("redirect", &Arc::default(), &[("ORIGIN_SECRET", ORIGIN_SECRET)]);
        let (load, handle, then) = (redirect::load, redirect::handle, redirect::send_click);
        let function = Function::http_then(boot, load, handle, then).await;
        redirects.push(function.expect("the settings are there"));
    }
    (recorders, salter, redirects)
}

/// The event of a schedule.
fn scheduled(function: &str, at: Timestamp) -> Invocation {
    let event = serde_json::json!({
        "version": "0",
        "id": "8f0a2c6e-41d7-4b95-9a3c-5e7d1f2b6c84",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": at.to_string(),
        "region": "eu-west-1",
        "resources": [format!("arn:aws:events:eu-west-1:123456789012:rule/signpost-{function}")],
        "detail": {},
    });
    let timeout = std::time::Duration::from_secs(900);
    Invocation { timeout, ..Invocation::new(event.to_string().into_bytes(), "torture") }
}

/// Link number so and so; every tenth has a second slug.
fn a_link(number: usize) -> Link {
    let mut link = link(&format!("s{number}"));
    let slug = |text: String| Slug::parse(&text).expect("this is a slug");
    link.id = LinkId::new(now(), u128::try_from(number).unwrap_or(0));
    link.slug = slug(format!("s{number}"));
    if number.is_multiple_of(10) {
        link.aliases = vec![slug(format!("a{number}"))];
    }
    link
}
