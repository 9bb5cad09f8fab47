//! A run: from the answers of the redirect to the proof that each of them was counted once.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use domain::{Link, LinkId, Slug};
use futures_util::future::{join_all, join3};
use jiff::{SignedDuration, Timestamp};
use lambda::{Boot, Function, Invocation, Random};
use serde_json::{Value, json};
use testkit::{World, event, link, now};

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
    /// How many links are purged, somewhere in the middle.
    pub purged: usize,
    /// Which part of all visits is to slugs that lead nowhere.
    pub astray: f64,
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
        Self { clicks: 500, links: 20, hours: 12, batch: 40, purged: 0, ..Self::small(seed) }
    }

    /// What runs with every test: some thousand clicks in three days.
    pub fn small(seed: u64) -> Self {
        Self {
            seed,
            clicks: 1_500,
            links: 80,
            hours: 40,
            workers: 3,
            batch: 100,
            purged: 4,
            astray: 0.03,
            killed: 0.25,
            climate: Climate::STORM,
            mistake: None,
        }
    }

    /// The size that is asked for by hand: a link for every 40 clicks.
    pub fn full(seed: u64, clicks: usize) -> Self {
        let links = (clicks / 40).max(1);
        Self { clicks, links, workers: 6, batch: 1_000, purged: links / 100, ..Self::small(seed) }
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

/// What is handed to a worker, at which of its waits it dies, and the places of the messages.
type Errand = (Invocation, Option<u64>, Vec<usize>);

/// Messages to be handed to workers of one kind, and how that ended.
struct Errands {
    todo: RefCell<VecDeque<Errand>>,
    done: RefCell<Vec<(Vec<usize>, Done)>>,
}

impl Errands {
    /// The batches that are due; `killed` says of each at which wait its worker dies.
    fn of(
        post: &mut Postman,
        now: Timestamp,
        most: usize,
        mut killed: impl FnMut() -> Option<u64>,
    ) -> Self {
        let batches = post.due(now, most);
        let todo = batches.into_iter().map(|batch| (post.event(&batch), killed(), batch));
        Self { todo: RefCell::new(todo.collect()), done: RefCell::default() }
    }

    /// One worker takes the next one, until there is none.
    async fn work(&self, worker: &Worker) {
        loop {
            let next = self.todo.borrow_mut().pop_front();
            let Some((event, waits, batch)) = next else { return };
            let end = worker.work(waits, event).await;
            self.done.borrow_mut().push((batch, end));
        }
    }

    /// Tells the postman how it ended.
    async fn settle(
        self,
        post: &mut Postman,
        now: Timestamp,
        what: &str,
        figures: &mut BTreeMap<String, u64>,
    ) {
        for (batch, end) in self.done.into_inner() {
            *figures.entry(format!("{what} that were {}", end.name())).or_default() += 1;
            match end {
                Done::Answered(answer) => post.answered(&batch, &answer, now),
                Done::Failed | Done::Killed => post.give_back(&batch, now),
            }
        }
        post.delete().await;
    }
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

impl Done {
    fn name(&self) -> &'static str {
        match self {
            Self::Answered(_) => "done",
            Self::Failed => "failed as a whole",
            Self::Killed => "killed",
        }
    }
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
    functions: Functions,
    gateway: Gateway,
    post: Postman,
    purges: Postman,
    lost: LostClicks,
    figures: BTreeMap<&'static str, u64>,
    /// How the workers ended.
    workers: BTreeMap<String, u64>,
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
        for _ in 0..5 {
            rack.visit(&zipf, 50).await;
            rack.go_to(rack.world.clock.now() + SignedDuration::from_mins(17));
        }
        rack.rotate_salts().await;
        let now = rack.world.clock.now();
        rack.post.collect(now).await;
        let batch: Vec<usize> = rack.post.due(now, usize::MAX).concat();
        let event = rack.post.event(&batch);
        match rack.sim.run(rack.functions.recorders[0].work(Some(killed), event)).await {
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
        let functions = Functions::load(&plan, boot).await;
        let post = Postman::of(&world, "clicks", chance.branch()).await;
        let purges = Postman::of(&world, "purges", chance.branch()).await;
        Self {
            plan,
            world,
            sim,
            weather,
            chance,
            links,
            model: Model::default(),
            functions,
            gateway: Gateway::default(),
            post,
            purges,
            lost,
            figures: BTreeMap::new(),
            workers: BTreeMap::new(),
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
            if hour == hours / 2 {
                self.purge().await;
            }
            if hour % 6 == 5 {
                let seconds = begin.elapsed().as_secs();
                say(&format!("{seconds:>5} s: {clicked} visits, hour {} of {hours}", hour + 1));
            }
        }
    }

    /// The schedule of the salts: in the first hour in calm weather, then in any.
    async fn rotate_salts(&self) {
        let event = scheduled("rotate-salts", self.world.clock.now());
        self.sim.run(self.functions.salter.work(None, event)).await;
    }

    /// One request for a link, or for what is none.
    async fn visit(&mut self, zipf: &Zipf, people: u32) {
        if self.chance.happens(self.plan.astray) {
            let slug = format!("nothing-{}", self.chance.index(7));
            self.go_astray(&slug).await;
            return;
        }
        let at = self.world.clock.now();
        let number = u32::try_from(self.chance.below(u64::from(people))).unwrap_or(0);
        let person = Person::of(number, self.plan.seed);
        let visit = Visit::by(person, at, &mut self.chance);
        let function = &self.functions.redirects[self.chance.index(2)];
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

    /// A request for what is no link.
    async fn go_astray(&mut self, slug: &str) {
        let process = self.chance.index(self.functions.redirects.len());
        self.go_astray_at(process, slug).await;
    }

    async fn go_astray_at(&mut self, process: usize, slug: &str) {
        let at = self.world.clock.now();
        let person = Person::of(0, self.plan.seed);
        let mut visit = Visit::by(person, at, &mut self.chance);
        visit.is_head = false;
        let event = self.gateway.event(slug, &visit);
        let function = &self.functions.redirects[process];
        let answer = self.sim.run(function.invoke(Invocation::new(event, "torture"))).await;
        let answer: Value =
            answer.ok().and_then(|it| serde_json::from_slice(&it).ok()).unwrap_or_default();
        if answer["statusCode"] == 404 {
            self.model.not_found(slug, at);
        } else {
            *self.figures.entry("visits that were not answered").or_default() += 1;
        }
    }

    /// Links are deleted with all that is known of their clicks; more of these are on their way.
    async fn purge(&mut self) {
        self.weather.turn(Climate::CALM);
        for _ in 0..self.plan.purged {
            // The first ones have more clicks; one of them is enough.
            let rest = self.links.len().saturating_sub(3);
            let place = if self.model.purged.is_empty() { 2 } else { 3 + self.chance.index(rest) };
            let id = self.links[place].id.to_string();
            let delete = event("delete-link/purge").path("id", &id).json().to_string();
            let delete = Invocation::new(delete.into_bytes(), "torture");
            let answer = self.sim.run(self.functions.deleter.invoke(delete)).await;
            let answer = answer.expect("the invocation succeeds");
            let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
            // Who draws a link twice orders nothing new.
            assert_eq!(answer["statusCode"], 202, "{answer}");
            self.model.purged.insert(place);
            // A minute's writes are limited.
            self.go_to(self.world.clock.now() + SignedDuration::from_secs(5));
        }
    }

    /// What is due goes to the workers, until nothing is; meanwhile the clicks are compacted, and
    /// purges go on.
    async fn deliver(&mut self) {
        for line in self.lost.take() {
            *self.figures.entry("clicks that were only in the log").or_default() += 1;
            self.post.send(&line).await;
        }
        let now = self.world.clock.now();
        self.post.collect(now).await;
        self.purges.collect(now).await;
        let clicks = Errands::of(&mut self.post, now, self.plan.batch, || {
            // Most batches make few calls, and some make many.
            let killed = self.chance.happens(self.plan.killed);
            let waits = self.chance.below(12) * (1 + self.chance.below(6));
            killed.then_some(waits)
        });
        let purges = Errands::of(&mut self.purges, now, 1, || {
            let killed = self.chance.happens(self.plan.killed);
            killed.then_some(self.chance.below(300))
        });
        let compactors = if self.chance.happens(0.3) { 2 } else { 1 };
        let killed: Vec<Option<u64>> = (0..compactors)
            .map(|_| {
                let killed = self.chance.happens(self.plan.killed);
                killed.then_some(self.chance.below(40))
            })
            .collect();
        let functions = &self.functions;
        let recording = functions.recorders.iter().map(|worker| clicks.work(worker));
        let purging = functions.purgers.iter().map(|worker| purges.work(worker));
        let compacting = functions
            .compactors
            .iter()
            .zip(&killed)
            .map(|(worker, killed)| worker.work(*killed, scheduled("compact-clicks", now)));
        let work = join3(join_all(recording), join_all(purging), join_all(compacting));
        let (_, _, compacted) = self.sim.run(work).await;
        let mut figures = BTreeMap::new();
        clicks.settle(&mut self.post, now, "batches", &mut figures).await;
        purges.settle(&mut self.purges, now, "purges", &mut figures).await;
        for end in compacted {
            *figures.entry(format!("compactions that were {}", end.name())).or_default() += 1;
        }
        for (name, number) in figures {
            *self.workers.entry(name).or_default() += number;
        }
    }

    /// The storm goes on until all that is late has come; then it is calm.
    async fn finish(&mut self, say: &dyn Fn(&str)) {
        let mut rounds = 0;
        while let Some(next) = self.next() {
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
        self.plan.killed = 0.0;
        // What a process has not told of yet, it tells of with the next one.
        self.post.be_punctual();
        for process in 0..self.functions.redirects.len() {
            self.go_to(self.world.clock.now() + SignedDuration::from_mins(2));
            self.go_astray_at(process, "nothing-at-last").await;
        }
        // And what was put into the lake last is compacted.
        for _ in 0..3 {
            self.go_to(self.world.clock.now() + SignedDuration::from_hours(1));
            self.deliver().await;
        }
        say(&format!("all is delivered after {rounds} more rounds"));
    }

    /// When the next message is due.
    fn next(&self) -> Option<Timestamp> {
        self.post.next().into_iter().chain(self.purges.next()).min()
    }

    async fn report(mut self, say: &dyn Fn(&str)) -> Report {
        say("comparing");
        let mut findings = Vec::new();
        let left = self.post.left().await + self.purges.left().await;
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
        figures.append(&mut self.workers);
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
struct Functions {
    recorders: Vec<Worker>,
    compactors: Vec<Worker>,
    purgers: Vec<Worker>,
    salter: Worker,
    redirects: Vec<Function>,
    deleter: Function,
}

impl Functions {
    async fn load(
        plan: &Plan,
        mut boot: impl FnMut(&'static str, &Arc<Life>, &[(&'static str, &str)]) -> Boot,
    ) -> Self {
        const LOADS: &str = "the settings are there";
        let (mut recorders, mut compactors) = (Vec::new(), Vec::new());
        for _ in 0..plan.workers {
            let life = Arc::default();
            let boot = boot("record-clicks", &life, &[]);
            let function = Function::sqs(boot, record_clicks::load, record_clicks::handle).await;
            recorders.push(Worker { life, function: function.expect(LOADS) });
        }
        for _ in 0..2 {
            let life = Arc::default();
            let boot = boot("compact-clicks", &life, &[]);
            let function = Function::schedule(boot, compact_clicks::load, compact_clicks::handle);
            compactors.push(Worker { life, function: function.await.expect(LOADS) });
        }
        let life = Arc::default();
        let purger = boot("purge-clicks", &life, &[]);
        let function = Function::sqs(purger, purge_clicks::load, purge_clicks::handle).await;
        let purgers = vec![Worker { life, function: function.expect(LOADS) }];
        let life = Arc::default();
        let salter = boot("rotate-salts", &life, &[]);
        let function = Function::schedule(salter, rotate_salts::load, rotate_salts::handle).await;
        let salter = Worker { life, function: function.expect(LOADS) };
        let mut redirects = Vec::new();
        for _ in 0..2 {
            let boot = boot("redirect", &Arc::default(), &[("ORIGIN_SECRET", ORIGIN_SECRET)]);
            let (load, handle, then) = (redirect::load, redirect::handle, redirect::send_click);
            let function = Function::http_then(boot, load, handle, then).await;
            redirects.push(function.expect(LOADS));
        }
        let deleter = boot("delete-link", &Arc::default(), &[]);
        let deleter = Function::http(deleter, delete_link::load, delete_link::handle).await;
        let deleter = deleter.expect(LOADS);
        Self { recorders, compactors, purgers, salter, redirects, deleter }
    }
}

/// The event of a schedule.
fn scheduled(function: &str, at: Timestamp) -> Invocation {
    let event = json!({
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
