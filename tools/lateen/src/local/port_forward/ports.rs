//! `[LOCAL:]REMOTE`.

/// A port of this machine and the pod's that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    /// 0 is any that is free.
    pub(super) local: u16,
    pub(super) remote: u16,
}

/// Reads `8080:80`, `80`, `:80`, `8080:http`. `resolve` gives the pod's port that a number or a name means.
pub(super) fn parse(
    text: &str,
    resolve: impl Fn(&str) -> Result<u16, String>,
) -> Result<Pair, String> {
    let (local, remote) = match text.split_once(':') {
        Some((local, remote)) => (Some(local), remote),
        None => (None, text),
    };
    let number = |which: &str, text: &str| {
        text.parse::<u16>().map_err(|_| {
            format!("error parsing {which} port {text:?}: write a number of at most 65535")
        })
    };
    if remote.is_empty() || remote.contains(':') || remote == "0" {
        return Err(format!(
            "invalid port format {text:?}: write [LOCAL:]REMOTE"
        ));
    }
    let meant = resolve(remote)?;
    Ok(Pair {
        local: match local {
            Some("") => 0,
            Some(local) => number("local", local)?,
            // What was written, where it is a number: a Service's port, not the pod's behind it.
            None => remote.parse().unwrap_or(meant),
        },
        remote: meant,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pair(local: u16, remote: u16) -> Pair {
        Pair { local, remote }
    }

    #[test]
    fn ports_are_written_in_kubectls_ways() {
        let pod = |text: &str| text.parse().map_err(|_| "no such port".to_owned());
        for (text, expected) in [
            ("80", pair(80, 80)),
            ("8080:80", pair(8080, 80)),
            (":80", pair(0, 80)),
            ("0:80", pair(0, 80)),
        ] {
            assert_eq!(parse(text, pod).unwrap(), expected, "{text}");
        }
        for bad in ["", "80:", "a:80", "99999:80", "1:2:3", "80:0", "http"] {
            assert!(parse(bad, pod).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_services_port_leads_to_the_pods() {
        let service = |text: &str| match text {
            "80" | "http" => Ok(8081),
            _ => Err("no such port".to_owned()),
        };
        assert_eq!(parse("80", service).unwrap(), pair(80, 8081));
        assert_eq!(parse("8080:http", service).unwrap(), pair(8080, 8081));
        assert_eq!(parse("http", service).unwrap(), pair(8081, 8081));
    }
}
