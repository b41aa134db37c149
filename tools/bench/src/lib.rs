//! Measures data planes against each other, as `//tools/bench:dataplane`: each proxy as processes of its own, with
//! equal configuration, under load from here whose every answer is checked.

mod chain;
mod changes;
mod command_line;
mod failure;
mod load;
mod measure;
mod mesh;
mod peer;
mod proxies;
mod report;
mod rounds;
mod run;
mod sample;
mod scenario;
mod second_opinion;
mod session;
mod upstream;

pub use command_line::Arguments;
pub use failure::Failure;
pub use run::run;
