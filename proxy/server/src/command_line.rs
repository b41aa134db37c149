//! Envoy's command line.

use std::path::PathBuf;

use clap::Parser;

/// Forwards traffic as a control plane configures it
#[derive(Debug, Parser)]
#[command(name = "envoy", version)]
pub struct Arguments {
    /// The bootstrap file, in JSON
    #[arg(short = 'c', long, value_name = "FILE")]
    pub config_path: PathBuf,
    /// Worker threads; 0 for one each CPU
    #[arg(long, default_value_t = 0)]
    pub concurrency: u32,
    /// What is logged: trace, debug, info, warning, error, critical or off
    #[arg(short = 'l', long, default_value = "info")]
    pub log_level: String,
    /// Levels of single components (accepted, without effect)
    #[arg(long, value_name = "COMPONENT:LEVEL,...")]
    pub component_log_level: Option<String>,
    /// Seconds that a drain takes
    #[arg(long, default_value_t = 600)]
    pub drain_time_s: u64,
    /// How a drain goes: gradual or immediate (always immediate here)
    #[arg(long, default_value = "gradual")]
    pub drain_strategy: String,
    /// Family of the local address: v4 or v6 (accepted, without effect)
    #[arg(long, default_value = "v4")]
    pub local_address_ip_version: String,
    /// Milliseconds between writes of access logs (always up to a second here)
    #[arg(long, default_value_t = 10_000)]
    pub file_flush_interval_msec: u64,
    /// Accepted: there is no hot restart
    #[arg(long)]
    pub disable_hot_restart: bool,
    /// Accepted: unknown static fields are passed over
    #[arg(long)]
    pub allow_unknown_static_fields: bool,
}

impl Arguments {
    /// The level as `--log_output_level` has it.
    pub(crate) fn level(&self) -> &str {
        match self.log_level.as_str() {
            "warning" => "warn",
            "critical" => "error",
            "off" => "none",
            other => other,
        }
    }

    /// Worker threads.
    pub(crate) fn workers(&self) -> u32 {
        match self.concurrency {
            0 => std::thread::available_parallelism()
                .map_or(1, |n| u32::try_from(n.get()).unwrap_or(1)),
            n => n,
        }
    }
}
