//! nftables rules as typed values, with two back ends over one representation.
//!
//! A [`Batch`] is one transaction: tables, chains and rules are collected in order and then either written as text
//! that `nft -f` reads ([`Batch::to_nft_text`]) or loaded into the kernel over nfnetlink ([`Batch::apply`]). The kernel
//! takes a batch whole or not at all, so a reader of the rules never meets a half-replaced set.
//!
//! The netlink back end exists because the images that load rules carry no `nft` program: they are a static binary and
//! nothing else. The text back end exists for people, and for tests that compare with what `nft` itself would load.
//!
//! ```
//! use nftables::{Batch, Family, Hook, HookPoint, HookType, Protocol, Statement, Verdict};
//!
//! let mut batch = Batch::new();
//! batch.table(Family::Inet, "demo");
//! batch.flush_table(Family::Inet, "demo");
//! let hook = Hook { type_: HookType::Nat, hook: HookPoint::Output, priority: -100 };
//! batch.chain(Family::Inet, "demo", "output", Some(hook));
//! batch.rule(
//!     Family::Inet,
//!     "demo",
//!     "output",
//!     vec![Statement::dport(Protocol::Tcp, 80), Statement::Counter, Statement::Verdict(Verdict::Return)],
//! );
//! assert!(batch.to_nft_text().ends_with("add rule inet demo output tcp dport 80 counter return\n"));
//! ```

mod batch;
mod error;
mod name;
mod netlink;
mod owner;
mod rule;
mod text;

pub use batch::{Batch, Command};
pub use error::Error;
pub use name::{InterfaceName, InvalidInterfaceName};
pub use owner::{InvalidOwner, Owner, OwnerKind};
pub use rule::{
    ConnectionStates, Family, Hook, HookPoint, HookType, MarkSource, Op, Ports, Position, Protocol,
    Statement, TproxyFamily, Verdict,
};
pub use text::spelled;
