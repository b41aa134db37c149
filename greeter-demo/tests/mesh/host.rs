//! What a mesh has on this machine: processes, mounts, files.

use std::path::Path;

/// Everything that the mesh `name` still has.
pub(super) fn traces(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/run/lateen")
        .into_iter()
        .flatten()
        .flatten()
    {
        let file = entry.file_name().to_string_lossy().into_owned();
        let rest = file.strip_prefix(name);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
            found.push(format!("file /run/lateen/{file}"));
        }
    }
    for pid in processes() {
        let line = command_line(pid);
        if line.iter().any(|word| word == name) || mounts(pid).contains(&format!("/{name}/")) {
            found.push(format!("process {pid} {}", line.join(" ")));
        }
    }
    found
}

/// The processes of a pod whose program ends with `program`.
pub(super) fn of_pod(uid: &str, program: &str) -> Vec<i32> {
    processes()
        .into_iter()
        .filter(|pid| {
            command_line(*pid)
                .first()
                .is_some_and(|word| word.ends_with(program))
                && mounts(*pid).contains(&format!("/{uid}/"))
        })
        .collect()
}

/// Ends a process the hard way.
pub(super) fn kill(pid: i32) {
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it lives");
}

fn processes() -> Vec<i32> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Empty for one that has ended.
fn command_line(pid: i32) -> Vec<String> {
    let bytes = std::fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline"));
    String::from_utf8_lossy(&bytes.unwrap_or_default())
        .split('\0')
        .map(str::to_owned)
        .filter(|word| !word.is_empty())
        .collect()
}

fn mounts(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default()
}
