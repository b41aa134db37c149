//! The program itself: what it says and how it ends when it cannot start.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn a_port_in_use_ends_the_program_with_its_flag_address_and_advice() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let flags = [
        "--grpcAddr",
        "--secureGRPCAddr",
        "--monitoringAddr",
        "--httpAddr",
    ];
    for flag in flags {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pilot"));
        command.args(["discovery", "--configDir", "/nonexistent"]);
        for other in flags {
            let value = if other == flag { &address } else { "" };
            command.args([other, value]);
        }
        let output = command.output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{flag}: {message}");
        for part in [flag, &address, "another process has this port"] {
            assert!(message.contains(part), "{flag}: no {part:?} in {message}");
        }
    }
}

#[test]
fn a_key_set_that_is_not_there_ends_the_program_with_its_flag() {
    let output = Command::new(env!("CARGO_BIN_EXE_pilot"))
        .args(["discovery", "--configDir", "/nonexistent", "--grpcAddr", ""])
        .args(["--monitoringAddr", "", "--httpAddr", "", "--secureGRPCAddr"])
        .args(["127.0.0.1:0", "--jwksFile", "/nonexistent/jwks.json"])
        .output()
        .unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("--jwksFile"), "{message}");
}

/// A page of the program's, empty while nobody answers.
fn page(address: &str, path: &str) -> String {
    let mut text = String::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.read_to_string(&mut text);
    }
    text
}

#[test]
fn it_works_on_while_nothing_can_be_written_to_its_log() {
    let directory = tempfile::tempdir().unwrap();
    let address = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    // A device on which no write succeeds, as on a disk that is full.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let mut pilot = Command::new(env!("CARGO_BIN_EXE_pilot"))
        .args(["discovery", "--grpcAddr", "", "--secureGRPCAddr", ""])
        .args(["--monitoringAddr", "", "--httpAddr", &address])
        .arg("--configDir")
        .arg(directory.path())
        .stderr(Stdio::from(full.unwrap()))
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let until = |path: &str, what: &str| {
        while !page(&address, path).contains(what) {
            assert!(Instant::now() < deadline, "{path} never says {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    until("/ready", "200 OK");
    // Each is a line of the log.
    for name in ["one", "two"] {
        let file = directory.path().join(format!("{name}.yaml"));
        let object =
            format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: 7\n");
        std::fs::write(file, object).unwrap();
        until("/debug/problems", name);
    }
    pilot.kill().unwrap();
    pilot.wait().unwrap();
}
