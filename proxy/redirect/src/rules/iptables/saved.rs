//! What an earlier run left, told from the output of `iptables-save`, and the commands that remove it.

use std::fmt::Write;

/// The commands for `iptables-restore --noflush` that remove every chain and rule that any earlier run made, of
/// whatever settings, and nothing else. `saved` is what `iptables-save` prints; empty when nothing is to be removed.
///
/// In the chains that are everybody's, the rules are those that lead to a chain of ours and, where such a chain is in
/// the same table, those of the forms that only the redirect writes: an interface alone that is left alone, and marks
/// (`mark` is that of TPROXY).
#[must_use]
pub fn removal(saved: &str, mark: u32) -> String {
    let mut text = String::new();
    let (mut table, mut rules, mut chains) = (String::new(), Vec::new(), Vec::new());
    for line in saved.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('*') {
            table = name.trim().to_owned();
            rules.clear();
            chains.clear();
        } else if let Some(chain) = line.strip_prefix(':') {
            let chain = chain.split(' ').next().unwrap_or_default();
            if is_ours(chain) {
                chains.push(chain.to_owned());
            }
        } else if let Some(rule) = line.strip_prefix("-A ") {
            rules.push(rule.to_owned());
        } else if line == "COMMIT" && !chains.is_empty() {
            write_removal(&mut text, &table, &rules, &chains, mark);
        }
    }
    text
}

fn write_removal(text: &mut String, table: &str, rules: &[String], chains: &[String], mark: u32) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "*{table}");
    for rule in rules.iter().filter(|rule| is_from_the_redirect(rule, mark)) {
        let _ = writeln!(text, "-D {rule}");
    }
    // A chain can be removed once no rule leads to it.
    for command in ["-F", "-X"] {
        for chain in chains {
            let _ = writeln!(text, "{command} {chain}");
        }
    }
    text.push_str("COMMIT\n");
}

fn is_ours(chain: &str) -> bool {
    chain.starts_with("ISTIO_")
}

/// Whether a rule of a chain that is everybody's is one of the redirect's.
fn is_from_the_redirect(rule: &str, mark: u32) -> bool {
    let words: Vec<&str> = rule.split_whitespace().collect();
    let [chain, conditions @ ..] = words.as_slice() else {
        return false;
    };
    if is_ours(chain) {
        return false;
    }
    let target = conditions.iter().rposition(|word| *word == "-j");
    let Some((conditions, [_, target, ..])) = target.and_then(|at| conditions.split_at_checked(at))
    else {
        return false;
    };
    let mark = format!("{mark:#x}");
    match *target {
        target if is_ours(target) => true,
        "RETURN" => match conditions {
            ["-i" | "-o", _] => true,
            ["-o", "lo", "-p", "tcp", "-m", "mark", "--mark", marked] => *marked == mark,
            _ => false,
        },
        "CONNMARK" => conditions.iter().any(|word| *word == mark),
        "MARK" => rule.contains("--set-xmark 0x53a/") && rule.contains("-m owner"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &str = "*mangle
:PREROUTING ACCEPT [0:0]
:ISTIO_INBOUND - [0:0]
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A PREROUTING -p tcp -m mark --mark 0x539 -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff
-A PREROUTING -p tcp -m mark --mark 0x7 -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff
-A OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m owner --uid-owner 1337 -j MARK --set-xmark 0x53a/0xffffffff
-A OUTPUT -o lo -p tcp -m mark --mark 0x539 -j RETURN
-A ISTIO_INBOUND -p tcp -j RETURN
COMMIT
# Completed
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A OUTPUT -o eth1 -j RETURN
-A OUTPUT -d 10.0.0.1/32 -j DNAT --to-destination 10.0.0.2
COMMIT
";

    #[test]
    fn what_the_redirect_made_is_removed_and_nothing_else() {
        assert_eq!(
            removal(SAVED, 1337),
            "*mangle
-D PREROUTING -p tcp -j ISTIO_INBOUND
-D PREROUTING -p tcp -m mark --mark 0x539 -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff
-D OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m owner --uid-owner 1337 -j MARK --set-xmark 0x53a/0xffffffff
-D OUTPUT -o lo -p tcp -m mark --mark 0x539 -j RETURN
-F ISTIO_INBOUND
-X ISTIO_INBOUND
COMMIT
"
        );
    }

    #[test]
    fn where_no_chain_is_ours_nothing_is_removed() {
        assert_eq!(
            removal("*nat\n-A OUTPUT -o eth1 -j RETURN\nCOMMIT\n", 1337),
            ""
        );
        assert_eq!(removal("", 1337), "");
        assert_eq!(
            removal("*\n:\n-A\n-A x -j\nCOMMIT\n:ISTIO_\nCOMMIT", 1),
            "*\n-F ISTIO_\n-X ISTIO_\nCOMMIT\n"
        );
    }
}
