//! Programs executed on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use sandbox::container::{Container, Exec, Exit, Size, Terminal};

use crate::harness::Room;

const SIZE: Size = Size {
    rows: 40,
    columns: 120,
};

fn run(container: &Container, script: &str) -> (Terminal, Exec) {
    let args = ["sh", "-c", script].map(String::from).to_vec();
    let (terminal, spec) = container.terminal(args, SIZE).unwrap();
    // The specification holds the program's side open, and is gone once it runs.
    let exec = container.exec(spec).unwrap();
    (terminal, exec)
}

fn file(terminal: &Terminal) -> File {
    File::from(OwnedFd::from(terminal.try_clone().unwrap()))
}

/// What is written until `end`, or until the program has ended.
fn read_until(from: &mut File, end: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 1024];
    while !text.ends_with(end) {
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => text.push_str(&String::from_utf8_lossy(&buffer[..length])),
        }
    }
    text
}

pub(super) fn a_program_on_a_terminal_knows_its_name_and_size() {
    let room = Room::new();
    let mut spec = room.shell("app", "sleep 1000");
    (spec.uid, spec.gid) = (1337, 1337);
    let container = room.start(spec);
    let (terminal, mut exec) = run(
        &container,
        "tty; stty size; echo $TERM; echo name > $(tty); test -t 2 && echo errors too",
    );
    let text = read_until(&mut file(&terminal), "never");
    assert_eq!(
        text,
        "/dev/pts/0\r\n40 120\r\nxterm\r\nname\r\nerrors too\r\n"
    );
    assert_eq!(exec.wait().unwrap(), Exit::Code(0));
}

pub(super) fn a_new_size_and_an_interrupt_reach_the_program() {
    let room = Room::new();
    let container = room.start(room.shell("app", "sleep 1000"));
    let (terminal, mut exec) = run(
        &container,
        "trap 'echo interrupted; exit 7' INT; echo up; read line; stty size; echo $line; while :; do sleep 0.05; done",
    );
    let mut file = file(&terminal);
    assert_eq!(read_until(&mut file, "up\r\n"), "up\r\n");
    terminal
        .resize(Size {
            rows: 10,
            columns: 20,
        })
        .unwrap();
    file.write_all(b"typed\n").unwrap();
    assert_eq!(
        read_until(&mut file, "20\r\ntyped\r\n"),
        "typed\r\n10 20\r\ntyped\r\n"
    );
    file.write_all(&[3]).unwrap();
    assert_eq!(read_until(&mut file, "never"), "^Cinterrupted\r\n");
    assert_eq!(exec.wait().unwrap(), Exit::Code(7));
}
