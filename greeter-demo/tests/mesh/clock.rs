//! Clocks that go wrong: one running program sees another time than the rest of the machine.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use object::{Object, ObjectSymbol};

/// Lets the program see the clock on the wall so many seconds ahead (behind, if negative) of what it is. Timers go on
/// as they do.
///
/// Programs ask the time in a page of code that the kernel lends them (vdso(7)). The test, being root, writes another
/// body for its function into this process's copy: it asks the kernel, and adds.
pub(super) fn set(pid: i32, ahead: i32) {
    let process = Path::new("/proc").join(pid.to_string());
    let stopped = Stopped::stop(pid, &process);
    let memory = OpenOptions::new()
        .read(true)
        .write(true)
        .open(process.join("mem"))
        .expect("the test is root");
    let at = clock_gettime(&process, &memory);
    memory.write_all_at(&body(ahead), at).expect("it is mapped");
    drop(stopped);
}

/// `clock_gettime(clock in edi, result in rsi)` for x86-64.
fn body(ahead: i32) -> Vec<u8> {
    const ASK_AND_LEAVE_OTHER_CLOCKS_ALONE: [u8; 15] = [
        0xb8, 0xe4, 0, 0, 0, // mov eax, 228
        0x0f, 0x05, // syscall
        0x85, 0xff, // test edi, edi: CLOCK_REALTIME is 0
        0x75, 0x0b, // jne to the ret
        0x85, 0xc0, // test eax, eax
        0x75, 0x07, // jne to the ret
    ];
    let mut code = ASK_AND_LEAVE_OTHER_CLOCKS_ALONE.to_vec();
    code.extend([0x48, 0x81, 0x06]); // add qword [rsi], ...
    code.extend(ahead.to_le_bytes());
    code.push(0xc3); // ret
    code
}

/// Where the process has the function.
fn clock_gettime(process: &Path, memory: &File) -> u64 {
    let maps = std::fs::read_to_string(process.join("maps")).expect("it lives");
    let line = maps.lines().find(|line| line.ends_with("[vdso]"));
    let (range, _) = line.and_then(|line| line.split_once(' ')).expect("a vdso");
    let (from, to) = range.split_once('-').expect("a range");
    let [from, to] = [from, to].map(|end| u64::from_str_radix(end, 16).expect("an address"));
    let mut image = vec![0; usize::try_from(to - from).expect("a few pages")];
    memory
        .read_exact_at(&mut image, from)
        .expect("it is readable");
    let image = object::File::parse(&*image).expect("an ELF image");
    let function = image
        .dynamic_symbols()
        .find(|symbol| symbol.name() == Ok("__vdso_clock_gettime"))
        .expect("the function");
    from + function.address()
}

/// A process none of whose threads runs.
struct Stopped(Pid);

impl Stopped {
    fn stop(pid: i32, process: &Path) -> Self {
        let stopped = Self(Pid::from_raw(pid));
        kill(stopped.0, Signal::SIGSTOP).expect("it lives");
        while !tasks(process).iter().all(|task| is_stopped(task)) {
            std::thread::yield_now();
        }
        stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        kill(self.0, Signal::SIGCONT).expect("it lives");
    }
}

fn tasks(process: &Path) -> Vec<PathBuf> {
    let tasks = std::fs::read_dir(process.join("task")).expect("it lives");
    tasks.flatten().map(|task| task.path()).collect()
}

/// One that has ended between two looks does not run either.
fn is_stopped(task: &Path) -> bool {
    std::fs::read_to_string(task.join("status")).map_or(true, |status| {
        status
            .lines()
            .any(|line| line.starts_with("State:\tT") || line.starts_with("State:\tZ"))
    })
}
