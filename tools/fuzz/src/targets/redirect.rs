//! The arguments of `istio-iptables`, to the rules that they make.

use std::sync::OnceLock;

use clap::Parser;
use redirect::rules::iptables::{self, IpVersion};
use redirect::{Environment, Options, rules};

use crate::input::Input;

/// One letter of the input stands for a flag; others are given as they are.
const FLAGS: &[&str] = &[
    "-i", "-x", "-b", "-d", "-o", "-q", "-c", "-k", "-u", "-g", "-m", "-p", "-z", "-e", "-t", "-r",
];

pub(crate) fn run(bytes: &[u8]) {
    // What another program printed, or did not.
    let saved = String::from_utf8_lossy(bytes);
    for line in iptables::removal(&saved, 1337).lines() {
        let known = ["*", "-D ", "-F ISTIO_", "-X ISTIO_", "COMMIT"];
        assert!(known.iter().any(|begin| line.starts_with(begin)), "{line}");
    }
    let mut input = Input(bytes);
    let mut arguments = vec!["istio-iptables".to_owned()];
    while !input.is_empty() {
        let flag = usize::from(input.byte());
        if let Some(flag) = FLAGS.get(flag) {
            arguments.push((*flag).to_owned());
        }
        arguments.push(String::from_utf8_lossy(input.piece()).into_owned());
    }
    let Ok(options) = Options::try_parse_from(&arguments) else {
        return;
    };
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    let environment = ENVIRONMENT.get_or_init(|| Environment::read().expect("addresses"));
    if let Ok(settings) = options.settings(environment) {
        let text = rules::replacement(&settings).to_nft_text();
        assert!(text.contains("table"), "{text}");
        assert_eq!(text, rules::replacement(&settings).to_nft_text());
        for version in [IpVersion::V4, IpVersion::V6] {
            // No name breaks out of its line.
            let text = iptables::text(&settings, version);
            let known = ["* ", "-N ISTIO_", "-A ", "-I ", "COMMIT"];
            let is_known = |line: &str| known.iter().any(|begin| line.starts_with(begin));
            assert!(text.lines().all(is_known), "{text}");
        }
    }
}
