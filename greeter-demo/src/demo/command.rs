//! Running `lateen` as its user would, and showing it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// The demonstration could not be carried through.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// `lateen` could not be started.
    #[error("{program}: {source}")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A command failed.
    #[error("`lateen {command}` failed: {message}")]
    Failed {
        /// Its arguments.
        command: String,
        /// What it wrote to standard error.
        message: String,
    },
    /// A command's output was not what it documents.
    #[error("`lateen {command}`: {reason}")]
    Output {
        /// Its arguments.
        command: String,
        /// What is wrong with the output.
        reason: String,
    },
    /// What was waited for did not come.
    #[error("waited {seconds} s for {what}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// The user interrupted it.
    #[error("interrupted")]
    Interrupted,
}

/// `lateen local --name NAME` of one mesh.
pub(crate) struct Lateen {
    program: PathBuf,
    name: String,
}

impl Lateen {
    /// The command for the mesh `name`.
    pub(crate) fn new(program: PathBuf, name: String) -> Self {
        Self { program, name }
    }

    /// The program as it can be called from any folder.
    pub(crate) fn program(&self) -> String {
        let absolute = std::path::absolute(&self.program);
        absolute
            .unwrap_or_else(|_| self.program.clone())
            .display()
            .to_string()
    }

    /// Starts the mesh with these image archives (`REFERENCE=FILE`) and, where one is given, this Envoy.
    pub(crate) async fn up(
        &self,
        images: &[String],
        envoy: Option<&Path>,
    ) -> Result<(), DemoError> {
        let mut arguments: Vec<OsString> = vec!["up".into(), "--quiet".into()];
        for image in images {
            arguments.extend(["--image".into(), image.into()]);
        }
        if let Some(envoy) = envoy {
            arguments.extend(["--envoy".into(), envoy.into()]);
        }
        self.follow("up", arguments).await
    }

    /// Runs a command, prints it and what it prints, as a terminal would show it.
    pub(crate) async fn show(&self, arguments: &[&str]) -> Result<(), DemoError> {
        println!("\n$ lateen local {}", arguments.join(" "));
        let text = self.output(arguments).await?;
        print!("{text}");
        Ok(())
    }

    /// Runs a command whose progress goes straight to the terminal.
    async fn follow(&self, shown: &str, arguments: Vec<OsString>) -> Result<(), DemoError> {
        println!("\n$ lateen local {shown}");
        let status = self
            .command(arguments)
            .stdin(Stdio::null())
            .status()
            .await
            .map_err(|source| self.start(source))?;
        if status.success() {
            return Ok(());
        }
        Err(DemoError::Failed {
            command: format!("local {shown}"),
            message: status.to_string(),
        })
    }

    /// Runs a command and returns its standard output.
    pub(crate) async fn output(&self, arguments: &[&str]) -> Result<String, DemoError> {
        let words = arguments.iter().map(OsString::from).collect();
        let output = self
            .command(words)
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|source| self.start(source))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        Err(DemoError::Failed {
            command: format!("local {}", arguments.join(" ")),
            message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Runs a command and reads its standard output as JSON.
    pub(crate) async fn json<T: serde::de::DeserializeOwned>(
        &self,
        arguments: &[&str],
    ) -> Result<T, DemoError> {
        let text = self.output(arguments).await?;
        serde_json::from_str(&text).map_err(|e| DemoError::Output {
            command: format!("local {}", arguments.join(" ")),
            reason: format!("not the JSON that was expected: {e}"),
        })
    }

    fn command(&self, arguments: Vec<OsString>) -> Command {
        let mut command = Command::new(&self.program);
        command
            // The files named here are relative to where this program runs.
            .env_remove("BUILD_WORKING_DIRECTORY")
            .arg("local")
            .args(["--name", &self.name])
            .args(arguments)
            .kill_on_drop(true);
        command
    }

    fn start(&self, source: std::io::Error) -> DemoError {
        DemoError::Start {
            program: self.program.clone(),
            source,
        }
    }
}
