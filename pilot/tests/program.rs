//! The program itself: what it says and how it ends when it cannot start.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::TcpListener;
use std::process::Command;

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
