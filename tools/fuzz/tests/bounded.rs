//! Each target for some seconds, from the corpus that is kept and a fixed seed.
//!
//! `LATEEN_FUZZ_ENGINE` is a program with coverage feedback (docs/design/fuzzing.md); without it the one is run that cargo
//! built, which has none unless its flags ask for it. `LATEEN_FUZZ_RUNS` and `LATEEN_FUZZ_SECONDS` say how long.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn corpus() -> PathBuf {
    // Bazel runs tests in the root of the repository, cargo in the crate.
    [Path::new("tools/fuzz/corpus"), Path::new("corpus")]
        .into_iter()
        .find(|place| place.exists())
        .expect("the corpus")
        .to_owned()
}

fn engine(target: &str, arguments: &[String]) -> Output {
    let given = std::env::var("LATEEN_FUZZ_ENGINE");
    let program = given.as_deref().unwrap_or(env!("CARGO_BIN_EXE_engine"));
    let program = std::fs::canonicalize(program).unwrap();
    Command::new(program)
        .env("LATEEN_FUZZ", target)
        .args(arguments)
        .output()
        .unwrap()
}

fn setting(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

#[test]
fn every_target_stands_its_kept_corpus_and_what_comes_of_it() {
    let found = tempfile::tempdir().unwrap();
    let mut failed = Vec::new();
    for target in fuzz::TARGETS {
        let kept = corpus().join(target.name);
        assert!(
            kept.read_dir().unwrap().next().is_some(),
            "{}: no corpus",
            target.name
        );
        let new = found.path().join(target.name);
        std::fs::create_dir(&new).unwrap();
        let ran = engine(
            target.name,
            &[
                "-seed=1".to_owned(),
                format!("-runs={}", setting("LATEEN_FUZZ_RUNS", "20000")),
                format!("-max_total_time={}", setting("LATEEN_FUZZ_SECONDS", "5")),
                "-timeout=20".to_owned(),
                "-rss_limit_mb=1024".to_owned(),
                "-print_final_stats=1".to_owned(),
                format!("-artifact_prefix={}/", new.display()),
                new.display().to_string(),
                kept.display().to_string(),
            ],
        );
        let said = String::from_utf8_lossy(&ran.stderr);
        let last: Vec<&str> = said.lines().rev().take(60).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        if !ran.status.success() {
            failed.push(format!("{}:\n{}", target.name, last.join("\n")));
            continue;
        }
        let runs = last
            .iter()
            .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
            .and_then(|n| n.trim().parse::<u64>().ok());
        assert!(runs > Some(10), "{}: {said}", target.name);
        if std::env::var("LATEEN_FUZZ_ENGINE").is_ok() {
            assert!(
                said.contains("inline 8-bit counters"),
                "no coverage feedback: {said}"
            );
        }
        eprintln!("{}: {runs:?} runs", target.name);
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn a_target_that_is_none_is_named_with_those_that_are() {
    let place = tempfile::tempdir().unwrap();
    let prefix = format!("-artifact_prefix={}/", place.path().display());
    let ran = engine("nothing", &["-runs=1".to_owned(), prefix]);
    assert!(!ran.status.success());
    let said = String::from_utf8_lossy(&ran.stderr);
    for target in fuzz::TARGETS {
        assert!(said.contains(target.name), "{said}");
    }
}
