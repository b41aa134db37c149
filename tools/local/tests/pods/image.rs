//! An image with this machine's shell and a few programs, and this very program as a server.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::Command;

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
const PROGRAMS: [&str; 8] = [
    "sh", "sleep", "cat", "tail", "ls", "stat", "readlink", "env",
];

/// Where the image has this program.
pub(crate) const SERVER: &str = "/bin/server";

/// Writes the image's archive.
pub(crate) fn write(archive: &Path) {
    let mut files = BTreeMap::new();
    let mut add = |target: PathBuf, source: &Path| {
        files
            .entry(target)
            .or_insert_with(|| std::fs::read(source).unwrap());
    };
    let own = std::env::current_exe().unwrap();
    let mut programs = vec![(PathBuf::from(SERVER), own)];
    for name in PROGRAMS {
        let found = ["/bin", "/usr/bin"]
            .iter()
            .map(|directory| Path::new(directory).join(name))
            .find(|path| path.exists())
            .unwrap_or_else(|| panic!("this test needs the program {name}"));
        programs.push((Path::new("/bin").join(name), found));
    }
    for (target, source) in programs {
        let source = source.canonicalize().unwrap();
        let listing = Command::new(LOADER)
            .arg("--list")
            .arg(&source)
            .output()
            .unwrap();
        for library in libraries(&String::from_utf8_lossy(&listing.stdout)) {
            add(library.clone(), &library);
        }
        add(target, &source);
    }
    add(PathBuf::from(LOADER), Path::new(LOADER));
    let written = oci::write::image(&oci::write::ImageSpec {
        tag: "tools:1".into(),
        files,
        writable: vec!["/tmp".into()],
        entrypoint: vec!["/bin/sh".into(), "-c".into()],
        ..oci::write::ImageSpec::default()
    })
    .unwrap();
    std::fs::write(archive, written.archive).unwrap();
}

fn libraries(listing: &str) -> Vec<PathBuf> {
    listing
        .lines()
        .filter_map(|line| line.split_once("=>"))
        .filter_map(|(_, rest)| rest.split_whitespace().next())
        .filter(|path| path.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

/// Answers every HTTP request on `address` with the host's name.
pub(crate) fn serve(address: &str) -> ! {
    let listener = TcpListener::bind(address).unwrap();
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request);
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{name}",
            name.len()
        );
        let _ = stream.write_all(answer.as_bytes());
    }
}

/// Prints the IPv4 addresses of a name, as the machine's own library finds them.
pub(crate) fn lookup(name: &str) {
    let found = (name, 0).to_socket_addrs().into_iter().flatten();
    let mut addresses: Vec<String> = found
        .filter(std::net::SocketAddr::is_ipv4)
        .map(|address| address.ip().to_string())
        .collect();
    addresses.sort();
    addresses.dedup();
    if addresses.is_empty() {
        addresses.push("not found".to_owned());
    }
    for address in addresses {
        println!("{address}");
    }
}
