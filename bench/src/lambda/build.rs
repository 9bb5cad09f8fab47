//! The programs, each as its people would build it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::process::{Kind, Program};
use crate::redirect::{cargo, target};
use crate::table::{here, say};

/// Where Debian and its like have the certificates that are trusted, as Amazon Linux has its own.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Builds what is asked for; without names, all.
pub(super) fn programs(
    only: &[String],
    certificates: &Certificates,
) -> anyhow::Result<Vec<Program>> {
    let wanted = |name: &str| only.is_empty() || only.iter().any(|each| each == name);
    let mut programs = Vec::new();
    if wanted("hello") {
        programs.push(rust("hello", Kind::Hello, Vec::new())?);
    }
    programs.extend(ours(wanted, certificates)?);
    if wanted("typical") {
        let env = [("SSL_CERT_FILE", text(&certificates.system)?)];
        programs.push(rust("typical", Kind::Redirect, named(env))?);
    }
    for (name, tool, make) in
        [("node", "node", node as Maker), ("python", "python3", python as Maker)]
    {
        if !wanted(name) {
            continue;
        }
        match Command::new(tool).arg("--version").output() {
            Ok(_) => programs.push(make(certificates)?),
            Err(_) => say(&format!("there is no `{tool}` here: `{name}` is left out")),
        }
    }
    Ok(programs)
}

type Maker = fn(&Certificates) -> anyhow::Result<Program>;

/// Another build of the redirect, to compare with.
pub(super) fn also(name: &str, path: &str, certificates: &Certificates) -> anyhow::Result<Program> {
    let built = PathBuf::from(path);
    ensure!(built.exists(), "there is no {path}");
    let file = unpacked(&built, name)?;
    Ok(Program {
        name: name.to_owned(),
        kind: Kind::Redirect,
        argv: vec![file.clone()],
        file,
        env: our_env(certificates)?,
    })
}

/// Files of certificates, each with the one of this run.
#[derive(Debug)]
pub(super) struct Certificates {
    /// That one alone.
    alone: PathBuf,
    /// With Amazon's, as many as ours trust.
    amazon: PathBuf,
    /// With the system's, as many as the SDKs trust where nothing is said.
    system: PathBuf,
}

impl Certificates {
    pub(super) fn write(folder: &Path, ca: &str) -> anyhow::Result<Self> {
        let write = |name: &str, more: String| -> anyhow::Result<PathBuf> {
            let path = folder.join(name);
            fs::write(&path, format!("{more}\n{ca}"))?;
            Ok(path)
        };
        let amazon = here().join("../shared/lambda/src/aws/amazon-roots.pem");
        Ok(Self {
            alone: write("alone.pem", String::new())?,
            amazon: write("amazon.pem", fs::read_to_string(amazon)?)?,
            system: write("system.pem", fs::read_to_string(SYSTEM).unwrap_or_default())?,
        })
    }
}

/// This repository's, for this machine and as they ship.
fn ours(
    wanted: impl Fn(&str) -> bool,
    certificates: &Certificates,
) -> anyhow::Result<Vec<Program>> {
    let host = host()?;
    let mut programs = Vec::new();
    // The redirect by itself, as `scripts/package` does it: others turn on more of the SDKs.
    for names in [["redirect"].as_slice(), ["create-link", "record-clicks"].as_slice()] {
        let names: Vec<&str> = names.iter().copied().filter(|name| wanted(name)).collect();
        if names.is_empty() {
            continue;
        }
        let mut arguments =
            vec!["build", "--locked", "--profile", "lambda", "--target", host.as_str()];
        arguments.extend(["--features", "lambda/without-trace"]);
        names.iter().for_each(|name| arguments.extend(["--package", name]));
        cargo(&here().join(".."), &arguments)?;
        for name in names {
            let file = unpacked(&target()?.join(&host).join("lambda").join(name), name)?;
            let kind = match name {
                "create-link" => Kind::Create,
                "record-clicks" => Kind::Record,
                _ => Kind::Redirect,
            };
            let (name, argv) = (name.to_owned(), vec![file.clone()]);
            programs.push(Program { name, kind, argv, file, env: our_env(certificates)? });
        }
    }
    Ok(programs)
}

/// A store of its own certificates is what the functions have for a proxy; it holds here what is
/// built into them, and the one of this run.
fn our_env(certificates: &Certificates) -> anyhow::Result<Vec<(String, String)>> {
    Ok(named([
        ("TRUST_STORE", "system".to_owned()),
        ("SSL_CERT_FILE", text(&certificates.amazon)?),
    ]))
}

fn rust(name: &str, kind: Kind, env: Vec<(String, String)>) -> anyhow::Result<Program> {
    let to = rivals()?;
    let to = text(&to)?;
    cargo(
        &here().join("rivals").join(name),
        &["build", "--release", "--locked", "--target-dir", &to],
    )?;
    let file = unpacked(&Path::new(&to).join("release").join(name), name)?;
    Ok(Program { name: name.to_owned(), kind, argv: vec![file.clone()], file, env })
}

fn node(certificates: &Certificates) -> anyhow::Result<Program> {
    let folder = copied("node")?;
    run(&folder, "npm", &["ci", "--silent", "--no-audit", "--no-fund"])?;
    let bundle = [
        "index.mjs",
        "--bundle",
        "--minify",
        "--platform=node",
        "--target=node20",
        "--log-level=warning",
        "--outfile=index.cjs",
    ];
    run(&folder, "node_modules/.bin/esbuild", &bundle)?;
    Ok(Program {
        name: "node".to_owned(),
        kind: Kind::Redirect,
        argv: vec![found("node")?, folder.join("runtime.mjs")],
        file: folder.join("index.cjs"),
        env: named([("NODE_EXTRA_CA_CERTS", text(&certificates.alone)?)]),
    })
}

fn python(certificates: &Certificates) -> anyhow::Result<Program> {
    let folder = copied("python")?;
    let python = folder.join("venv/bin/python");
    if !python.exists() {
        run(&folder, "python3", &["-m", "venv", "venv"])?;
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    let install = [install.as_slice(), &["--requirement", "requirements.txt"]].concat();
    run(&folder, "venv/bin/python", &install)?;
    // What the SDK brings, and the one of this run.
    let bring = "import botocore, pathlib; print(pathlib.Path(botocore.__file__).parent)";
    let output = Command::new(&python).args(["-c", bring]).output()?;
    let botocore = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    let bundle = folder.join("bundle.pem");
    let theirs = fs::read_to_string(botocore.join("cacert.pem"))?;
    fs::write(&bundle, theirs + &fs::read_to_string(&certificates.alone)?)?;
    Ok(Program {
        name: "python".to_owned(),
        kind: Kind::Redirect,
        argv: vec![python, folder.join("runtime.py")],
        file: folder.join("index.py"),
        env: named([("AWS_CA_BUNDLE", text(&bundle)?)]),
    })
}

/// A rival's files, in the target folder: what is installed beside them is not for the repository.
fn copied(name: &str) -> anyhow::Result<PathBuf> {
    let to = rivals()?.join(name);
    fs::create_dir_all(&to)?;
    for file in fs::read_dir(here().join("rivals").join(name))? {
        let file = file?;
        fs::copy(file.path(), to.join(file.file_name()))?;
    }
    Ok(to)
}

/// A copy of a program, written from its beginning to its end as a package is unpacked. What a linker
/// writes here and there the kernel keeps, and hands out, page by page, and so a start of it takes
/// longer.
fn unpacked(built: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let folder = target()?.join("unpacked");
    fs::create_dir_all(&folder)?;
    let file = folder.join(name);
    // Not over a file that is in the kernel's memory as it was.
    if file.exists() {
        fs::remove_file(&file)?;
    }
    fs::copy(built, &file).with_context(|| format!("copying {}", built.display()))?;
    Ok(file)
}

fn rivals() -> anyhow::Result<PathBuf> {
    Ok(target()?.join("rivals"))
}

/// The target that this machine is.
fn host() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("asking rustc")?;
    let said = String::from_utf8(output.stdout)?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc says what it compiles for")
}

/// Where a program is that has no path.
fn found(name: &str) -> anyhow::Result<PathBuf> {
    let output = Command::new("sh").args(["-c", &format!("command -v {name}")]).output()?;
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    say(&format!("{program} {}", arguments.join(" ")));
    // A program that is named by a path is in the folder.
    let program = match program.contains('/') {
        true => folder.join(program),
        false => PathBuf::from(program),
    };
    let status = Command::new(&program).current_dir(folder).args(arguments).status();
    let status = status.with_context(|| format!("starting {}", program.display()))?;
    ensure!(status.success(), "{} failed", program.display());
    Ok(())
}

fn named<const N: usize>(env: [(&str, String); N]) -> Vec<(String, String)> {
    env.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

fn text(path: &Path) -> anyhow::Result<String> {
    path.to_str().map(str::to_owned).context("the folder's name is UTF-8")
}
