//! A program under measurement: how it is started, what CPU it may have and has had, its memory.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// What is started, and how large it is.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) argv: Vec<PathBuf>,
    /// What is in the package.
    pub(super) file: PathBuf,
    /// What it is told besides what all are told.
    pub(super) env: Vec<(String, String)>,
}

/// What it can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing: it says hello.
    Hello,
    /// A link.
    Redirect,
    /// To make a link.
    Create,
    /// To count clicks.
    Record,
}

/// A part of a CPU, as the kernel hands it out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Share {
    pub(super) part: f64,
    pub(super) period: Duration,
}

/// A program that runs, killed when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    gate: Option<ChildStdin>,
    /// Keeps its group until it has ended.
    _group: Option<Group>,
}

impl Process {
    /// A process that becomes the program when it is told to [`Self::go`]: until then it is a shell
    /// that waits, and that can be put where it may have a part of a CPU only.
    pub(super) fn prepare(
        program: &Program,
        env: &[(String, String)],
        group: Option<Group>,
        output: bool,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"read -r go && exec "$0" "$@" </dev/null"#]).args(&program.argv);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LANG", "en_US.UTF-8");
        command.envs(env.iter().chain(&program.env).map(|(name, value)| (name, value)));
        // Lambda reads what a function prints, and we need not.
        if !output {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        let mut child = command.stdin(Stdio::piped()).spawn().context("starting a process")?;
        let gate = child.stdin.take();
        let process = Self { child, gate, _group: group };
        if let Some(group) = &process._group {
            group.take(process.child.id())?;
        }
        // Until it waits in `read`.
        process.settle();
        Ok(process)
    }

    /// Lets it become the program; says when that was, and what CPU the shell had had.
    pub(super) fn go(&mut self) -> anyhow::Result<(Instant, u64)> {
        let mut gate = self.gate.take().context("it was told once")?;
        let cpu = self.cpu();
        let now = Instant::now();
        gate.write_all(b"go\n")?;
        Ok((now, cpu))
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    pub(super) fn cpu(&self) -> u64 {
        cpu(self.id())
    }

    pub(super) fn settle(&self) {
        settle(self.id());
    }

    /// The memory that it has, and the most that it has had, in MB.
    pub(super) fn memory(&self) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        number.unwrap_or(0.0) / 1_024.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The nanoseconds of CPU that a process has had. Exact while it waits.
pub(super) fn cpu(process: u32) -> u64 {
    let of_task = |task: PathBuf| -> Option<u64> {
        let text = fs::read_to_string(task.join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    tasks(process).into_iter().filter_map(of_task).sum()
}

/// Waits until all threads of a process wait: it has done what there was to do.
pub(super) fn settle(process: u32) {
    let begin = Instant::now();
    let sleeps = |task: PathBuf| {
        let text = fs::read_to_string(task.join("stat")).unwrap_or_default();
        // The state comes after the name, which is in brackets and may hold anything.
        text.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('S'))
    };
    while !tasks(process).into_iter().all(sleeps) && begin.elapsed() < Duration::from_millis(20) {
        std::thread::sleep(Duration::from_micros(20));
    }
}

fn tasks(process: u32) -> Vec<PathBuf> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    tasks.filter_map(Result::ok).map(|task| task.path()).collect()
}

/// A group of processes that may have a part of one CPU; gone when this is dropped.
#[derive(Debug)]
pub(super) struct Group {
    folder: PathBuf,
}

impl Group {
    /// Makes a group; an error where this kernel or this user has no such thing.
    pub(super) fn of(share: Share) -> anyhow::Result<Self> {
        let v1 = Path::new("/sys/fs/cgroup/cpu");
        let v2 = Path::new("/sys/fs/cgroup");
        let own = format!("signpost-bench-{}", std::process::id());
        let micros = |time: Duration| time.as_micros().to_string();
        let (quota, period) = (micros(share.period.mul_f64(share.part)), micros(share.period));
        if v1.join("cpu.cfs_quota_us").exists() || v1.join("cgroup.procs").exists() {
            let group = Self::make(v1.join(own))?;
            group.set("cpu.cfs_period_us", &period)?;
            group.set("cpu.cfs_quota_us", &quota)?;
            return Ok(group);
        }
        ensure!(v2.join("cgroup.controllers").exists(), "there are no control groups");
        // It may be on already, and if it is not and cannot be, `cpu.max` is not there.
        let _ = fs::write(v2.join("cgroup.subtree_control"), "+cpu");
        let group = Self::make(v2.join(own))?;
        group.set("cpu.max", &format!("{quota} {period}"))?;
        Ok(group)
    }

    fn make(folder: PathBuf) -> anyhow::Result<Self> {
        if !folder.exists() {
            fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        }
        Ok(Self { folder })
    }

    fn set(&self, name: &str, value: &str) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, value).with_context(|| format!("writing {}", path.display()))
    }

    fn take(&self, process: u32) -> anyhow::Result<()> {
        self.set("cgroup.procs", &process.to_string())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The last process may be on its way out.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
