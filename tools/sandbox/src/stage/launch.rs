//! From root in the container's root to the container's program: user, capabilities, execve.

use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::prctl::set_no_new_privs;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, chdir, setgroups, setresgid, setresuid};

use super::{Step, cannot};
use crate::wire::Program;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Becomes the program; returns only when that fails. `last` runs as the new user, just before.
/// Standard input is empty.
pub(super) fn execute(program: &Program, last: impl FnOnce() -> Step<()>) -> Step<Infallible> {
    execute_with(program, Some(Stdio::null()), last)
}

/// As [`execute`], with this process' own standard input.
pub(super) fn execute_keeping_input(
    program: &Program,
    last: impl FnOnce() -> Step<()>,
) -> Step<Infallible> {
    execute_with(program, None, last)
}

fn execute_with(
    program: &Program,
    stdin: Option<Stdio>,
    last: impl FnOnce() -> Step<()>,
) -> Step<Infallible> {
    umask(Mode::from_bits_truncate(0o022));
    become_user(program)?;
    chdir(&program.cwd).map_err(cannot(format!("enter {}", program.cwd.display())))?;
    if program.no_new_privs {
        set_no_new_privs().map_err(cannot("forbid new privileges"))?;
    }
    last()?;
    let env = environment(program);
    let name = program.args.first().map_or("", String::as_str);
    let path = env
        .iter()
        .rev()
        .find(|(key, _)| key == "PATH")
        .map_or("", |(_, path)| path);
    let file = find(name, path)?;
    let mut command = Command::new(&file);
    command
        .arg0(name)
        .args(program.args.iter().skip(1))
        .env_clear()
        .envs(env);
    if let Some(stdin) = stdin {
        command.stdin(stdin);
    }
    // Also restores the signals that Rust's runtime ignores.
    let error = command.exec();
    Err(match error.kind() {
        std::io::ErrorKind::NotFound => format!(
            "exec: {name:?}: the interpreter or loader that {} asks for is not in the image",
            file.display()
        ),
        _ => format!("exec: {name:?}: {error}"),
    })
}

fn become_user(program: &Program) -> Step<()> {
    let uid = Uid::from_raw(program.uid);
    let gid = Gid::from_raw(program.gid);
    program
        .capabilities
        .bound()
        .map_err(cannot("bound the capabilities"))?;
    let groups: Vec<Gid> = program.groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&groups).map_err(cannot("set supplementary groups"))?;
    setresgid(gid, gid, gid).map_err(cannot(format!("become gid {gid}")))?;
    // Leaving uid 0 clears the permitted, effective and ambient sets.
    setresuid(uid, uid, uid).map_err(cannot(format!("become uid {uid}")))?;
    if uid.is_root() {
        program
            .capabilities
            .keep_only()
            .map_err(cannot("give up capabilities"))?;
    }
    Ok(())
}

fn environment(program: &Program) -> Vec<(String, String)> {
    let mut env = program.env.clone();
    let lacks = |env: &[(String, String)], name: &str| !env.iter().any(|(key, _)| key == name);
    if lacks(&env, "PATH") {
        env.push(("PATH".into(), DEFAULT_PATH.into()));
    }
    if lacks(&env, "HOME") {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        env.push((
            "HOME".into(),
            home(&passwd, program.uid).unwrap_or("/").into(),
        ));
    }
    env
}

fn home(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let this = fields.nth(2)?.parse::<u32>().ok()?;
        let home = fields.nth(2)?;
        (this == uid && !home.is_empty()).then_some(home)
    })
}

fn find(name: &str, path: &str) -> Step<PathBuf> {
    if name.contains('/') {
        return match std::fs::metadata(name) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(format!(
                "exec: {name:?}: stat {name}: no such file or directory"
            )),
            Err(error) => Err(format!("exec: {name:?}: stat {name}: {error}")),
            Ok(_) if is_executable(Path::new(name)) => Ok(name.into()),
            Ok(_) => Err(format!("exec: {name:?}: permission denied")),
        };
    }
    path.split(':')
        .filter(|directory| directory.starts_with('/'))
        .map(|directory| Path::new(directory).join(name))
        .find(|file| is_executable(file))
        .ok_or_else(|| format!("exec: {name:?}: executable file not found in $PATH"))
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_program_that_no_directory_of_the_path_holds_is_named_as_runc_names_it() {
        assert_eq!(
            find("no-such-program", "/usr/bin:/bin").unwrap_err(),
            "exec: \"no-such-program\": executable file not found in $PATH"
        );
        assert_eq!(
            find("/no/such", "").unwrap_err(),
            "exec: \"/no/such\": stat /no/such: no such file or directory"
        );
    }

    #[test]
    fn a_file_that_nobody_may_execute_is_not_a_program() {
        assert_eq!(
            find("/etc/passwd", "").unwrap_err(),
            "exec: \"/etc/passwd\": permission denied"
        );
    }

    #[test]
    fn home_is_the_images_own_for_a_known_user() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nbroken\nproxy:x:1337:1337::/var/proxy:/bin/false\n";
        assert_eq!(home(passwd, 1337), Some("/var/proxy"));
        assert_eq!(home(passwd, 5), None);
    }
}
