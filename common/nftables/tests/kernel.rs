//! The netlink back end against the running kernel and against the program `nft`: what [`nftables::Batch::apply`]
//! loads must be what `nft -f` makes of the batch's text. Needs root (network namespaces of its own) and `nft`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{
    io::Write,
    process::{Command, Stdio},
};

use nftables::{
    Batch, ConnectionStates, Error, Family, Hook, HookPoint, HookType, MarkSource, Op, OwnerKind,
    Protocol, Statement, TproxyFamily, Verdict,
};
use nix::sched::{CloneFlags, unshare};

const TABLE: &str = "lateen-test";

/// Run in a thread that has a network namespace of its own; it goes with the thread.
fn in_new_namespace<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a new network namespace: run this test as root");
        body()
    })
    .join()
    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Run `nft` in the calling thread's namespace.
fn nft(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("nft")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program `nft` (Debian package nftables) must be installed for this test");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "nft {arguments:?} failed: {errors}\n{input}"
    );
    String::from_utf8(output.stdout).unwrap()
}

fn listed() -> String {
    nft(&["list", "ruleset"], "")
}

fn net(text: &str) -> ipnet::IpNet {
    text.parse().unwrap()
}

fn owner(kind: OwnerKind, op: Op, text: &str, qualified: bool) -> Statement {
    Statement::SocketOwner {
        kind,
        op,
        owner: text.parse().unwrap(),
        qualified,
    }
}

fn base(hook: HookPoint, type_: HookType, priority: i32) -> Option<Hook> {
    Some(Hook {
        type_,
        hook,
        priority,
    })
}

/// A batch with every kind of command and statement.
fn everything() -> Batch {
    let mut batch = Batch::new();
    let inet = Family::Inet;
    batch.table(inet, TABLE);
    batch.flush_table(inet, TABLE);
    batch.chain(
        inet,
        TABLE,
        "pre",
        base(HookPoint::Prerouting, HookType::Nat, -100),
    );
    batch.chain(
        inet,
        TABLE,
        "in",
        base(HookPoint::Input, HookType::Filter, 0),
    );
    batch.chain(
        inet,
        TABLE,
        "through",
        base(HookPoint::Forward, HookType::Filter, 0),
    );
    batch.chain(
        inet,
        TABLE,
        "out",
        base(HookPoint::Output, HookType::Route, -150),
    );
    batch.chain(
        inet,
        TABLE,
        "post",
        base(HookPoint::Postrouting, HookType::Nat, 100),
    );
    batch.chain(
        inet,
        TABLE,
        "mangle",
        base(HookPoint::Prerouting, HookType::Filter, -150),
    );
    batch.chain(inet, TABLE, "side", None);
    let tcp = || Statement::l4proto(Protocol::Tcp);
    let states = ConnectionStates {
        related: true,
        established: true,
        ..Default::default()
    };
    let all_states = ConnectionStates {
        invalid: true,
        new: true,
        related: true,
        established: true,
    };
    let rules: Vec<(&str, Vec<Statement>)> = vec![
        (
            "pre",
            vec![
                Statement::Iifname(Op::Eq, "eth*".parse().unwrap()),
                Statement::Counter,
                Statement::return_(),
            ],
        ),
        (
            "out",
            vec![
                Statement::Oifname(Op::Ne, "lo".parse().unwrap()),
                Statement::Verdict(Verdict::Accept),
            ],
        ),
        (
            "out",
            vec![
                Statement::Oifname(Op::Eq, "tcp".parse().unwrap()),
                Statement::jump("side"),
            ],
        ),
        (
            "out",
            vec![
                Statement::L4proto(Op::Ne, Protocol::Udp),
                Statement::Verdict(Verdict::Drop),
            ],
        ),
        (
            "out",
            vec![
                Statement::saddr(net("10.0.0.0/12")),
                Statement::daddr(net("10.0.0.1/32")),
            ],
        ),
        (
            "out",
            vec![
                Statement::Saddr(Op::Ne, net("127.0.0.1/8")),
                Statement::Counter,
            ],
        ),
        (
            "out",
            vec![Statement::saddr(net("0.0.0.0/0")), Statement::Counter],
        ),
        (
            "out",
            vec![
                Statement::daddr(net("2001:db8::/33")),
                Statement::saddr(net("2001:db8::/32")),
            ],
        ),
        (
            "out",
            vec![
                Statement::Daddr(Op::Ne, net("::1/128")),
                Statement::sport(Protocol::Udp, 53),
            ],
        ),
        (
            "out",
            vec![
                tcp(),
                Statement::dport(Protocol::Tcp, 15008),
                Statement::Counter,
            ],
        ),
        (
            "out",
            vec![
                Statement::Dport(Op::Ne, Protocol::Tcp, vec![15008, 53].into()),
                Statement::Counter,
            ],
        ),
        (
            "out",
            vec![
                Statement::Sport(Op::Ne, Protocol::Udp, 53.into()),
                Statement::dport(Protocol::Udp, vec![1, 65535]),
                Statement::Counter,
            ],
        ),
        (
            "out",
            vec![
                owner(OwnerKind::User, Op::Eq, "1337", false),
                owner(OwnerKind::Group, Op::Ne, "0", true),
            ],
        ),
        (
            "out",
            vec![
                owner(OwnerKind::User, Op::Ne, "root", false),
                Statement::Counter,
            ],
        ),
        (
            "out",
            vec![
                Statement::Mark(Op::Ne, 1338),
                Statement::CtMark(Op::Eq, 1337),
                Statement::Counter,
            ],
        ),
        ("out", vec![Statement::CtState(states), Statement::Counter]),
        (
            "out",
            vec![Statement::CtState(all_states), Statement::Counter],
        ),
        (
            "out",
            vec![
                Statement::NumgenRandom {
                    modulus: 3,
                    below: 1,
                },
                Statement::Counter,
            ],
        ),
        (
            "out",
            vec![
                Statement::SetMark(MarkSource::Value(7)),
                Statement::SetCtMark(MarkSource::Packet),
            ],
        ),
        (
            "out",
            vec![
                Statement::SetCtMark(MarkSource::Value(8)),
                Statement::SetMark(MarkSource::Connection),
            ],
        ),
        ("mangle", vec![Statement::SetCtZone(2)]),
        (
            "pre",
            vec![tcp(), Statement::Counter, Statement::Redirect(15006)],
        ),
        (
            "pre",
            vec![tcp(), Statement::Dnat("10.1.2.3:80".parse().unwrap())],
        ),
        (
            "pre",
            vec![
                Statement::dport(Protocol::Udp, 53),
                Statement::Dnat("[fd00::1]:5353".parse().unwrap()),
            ],
        ),
        (
            "post",
            vec![
                Statement::saddr(net("10.0.0.5/32")),
                Statement::Counter,
                Statement::Masquerade,
            ],
        ),
        (
            "mangle",
            vec![
                tcp(),
                Statement::Tproxy(TproxyFamily::Ip, 15006),
                Statement::Verdict(Verdict::Accept),
            ],
        ),
        (
            "mangle",
            vec![tcp(), Statement::Tproxy(TproxyFamily::Ip6, 15006)],
        ),
    ];
    for (chain, statements) in rules {
        batch.rule(inet, TABLE, chain, statements);
    }
    batch.insert_rule(inet, TABLE, "pre", 0, vec![Statement::Counter]);
    batch.insert_rule(inet, TABLE, "pre", 1, vec![Statement::Mark(Op::Eq, 1)]);
    batch.insert_rule(inet, TABLE, "pre", 1, vec![Statement::Mark(Op::Eq, 2)]);
    batch.insert_rule(inet, TABLE, "pre", 4, vec![Statement::Mark(Op::Eq, 3)]);
    batch.table(Family::Ip, "four");
    batch.chain(Family::Ip, "four", "a", None);
    batch.rule(
        Family::Ip,
        "four",
        "a",
        vec![Statement::daddr(net("1.2.3.4/32")), Statement::Counter],
    );
    batch.table(Family::Ip6, "six");
    batch.chain(Family::Ip6, "six", "a", None);
    batch.rule(
        Family::Ip6,
        "six",
        "a",
        vec![Statement::daddr(net("fd00::/8")), Statement::Counter],
    );
    batch
}

#[test]
fn every_statement_is_loaded_as_nft_itself_loads_it() {
    let by_nft = in_new_namespace(|| {
        nft(&["-f", "-"], &everything().to_nft_text());
        listed()
    });
    let by_netlink = in_new_namespace(|| {
        everything().apply().unwrap();
        listed()
    });
    assert!(by_nft.contains("numgen random mod 3 < 1"), "{by_nft}");
    assert_eq!(by_netlink, by_nft);
}

#[test]
fn a_batch_applied_twice_leaves_the_same_rules_and_deleting_leaves_none() {
    in_new_namespace(|| {
        let mut delete = Batch::new();
        for (family, table) in [
            (Family::Inet, TABLE),
            (Family::Ip, "four"),
            (Family::Ip6, "six"),
        ] {
            delete.delete_table(family, table);
        }
        delete
            .apply()
            .expect("a table that is not there is no error");
        let mut replace = delete.clone();
        replace.extend(everything());
        replace.apply().unwrap();
        let once = listed();
        replace.apply().unwrap();
        assert_eq!(listed(), once);
        delete.apply().unwrap();
        assert_eq!(listed(), "");
    });
}

#[test]
fn one_refused_command_is_named_and_nothing_of_its_batch_is_kept() {
    in_new_namespace(|| {
        let mut batch = everything();
        batch.rule(
            Family::Inet,
            TABLE,
            "side",
            vec![Statement::jump("nowhere")],
        );
        batch.rule(Family::Inet, TABLE, "side", vec![Statement::Counter]);
        let error = batch.apply().unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Refused { .. }), "{text}");
        assert!(
            text.contains("add rule inet lateen-test side jump nowhere"),
            "{text}"
        );
        assert!(text.contains("does not exist"), "{text}");
        assert_eq!(listed(), "");
    });
}

#[test]
fn a_statement_that_cannot_stand_in_its_chain_is_refused_with_the_rule_named() {
    in_new_namespace(|| {
        let mut batch = Batch::new();
        batch.table(Family::Inet, TABLE);
        batch.chain(
            Family::Inet,
            TABLE,
            "in",
            base(HookPoint::Input, HookType::Filter, 0),
        );
        batch.rule(
            Family::Inet,
            TABLE,
            "in",
            vec![Statement::Counter, Statement::Masquerade],
        );
        let text = batch.apply().unwrap_err().to_string();
        assert!(
            text.contains("add rule inet lateen-test in counter masquerade"),
            "{text}"
        );
        assert!(text.contains("cannot stand in this chain"), "{text}");
    });
}

#[test]
fn a_batch_of_thousands_of_rules_is_one_transaction() {
    in_new_namespace(|| {
        let mut batch = Batch::new();
        batch.table(Family::Inet, TABLE);
        batch.chain(Family::Inet, TABLE, "side", None);
        for port in 1..=5000 {
            let statements = vec![
                Statement::dport(Protocol::Tcp, port),
                Statement::Counter,
                Statement::return_(),
            ];
            batch.rule(Family::Inet, TABLE, "side", statements);
        }
        batch.apply().unwrap();
        assert_eq!(listed().matches("counter packets").count(), 5000);
    });
}

#[test]
fn a_process_without_the_capability_is_told_which_one_it_lacks() {
    in_new_namespace(|| {
        caps::clear(None, caps::CapSet::Effective).unwrap();
        let text = everything().apply().unwrap_err().to_string();
        assert!(text.contains("NET_ADMIN"), "{text}");
    });
}
