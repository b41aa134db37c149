//! The disk under a running mesh fills up.

use std::io::Write;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::harness::{GREETER, Mesh, eventually};
use super::traffic::{EndsWith, Flow, Traffic};

const APP: &str = "k8s-combat-service";
const TARGET: &str = "k8s-combat-service:50051";

/// A small disk of its own.
struct Disk(tempfile::TempDir);

impl Disk {
    fn of(size: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let options = format!("size={size}");
        mount(
            Some("tmpfs"),
            directory.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .expect("a disk");
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves no room; the file that takes it.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = std::fs::File::create(&path).expect("a file");
        for size in [1 << 20, 4096, 1] {
            let block = vec![0; size];
            while file.write_all(&block).is_ok() {}
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = umount2(self.path(), MntFlags::MNT_DETACH) {
            eprintln!("{} stays: {error}", self.path().display());
        }
    }
}

#[test]
fn a_full_disk_stops_new_pods_alone_and_they_start_once_there_is_room() {
    let disk = Disk::of("1g");
    let mesh = Mesh::up_in("disk", disk.path()).labelled();
    mesh.applied(GREETER);
    let pods = mesh.ready("default", APP, 3, 2);
    mesh.balanced(&pods[0], APP, TARGET, 3);
    let flow = Flow::default();
    let report = std::thread::scope(|scope| {
        let _ends = EndsWith(&flow);
        let traffic = Traffic::begin(scope, &flow, &mesh, &pods[0], APP, TARGET);
        let filler = disk.fill();
        mesh.ok(&["scale", "deployment/k8s-combat-service", "--replicas", "4"]);
        eventually("the new pod to say why it does not start", || {
            let events = mesh.ok(&["get", "events"]);
            match events.contains("No space left on device") {
                true => Ok(()),
                false => Err(events),
            }
        });
        traffic.goes_on();
        let ready = mesh.pods("default", APP);
        assert_eq!(ready.iter().filter(|pod| pod.is_ready()).count(), 3);
        std::fs::remove_file(filler).expect("there is room again");
        mesh.ready("default", APP, 4, 2);
        traffic.goes_on();
        traffic.end()
    });
    assert_eq!(report.failed(), 0, "{report:?}");
}
