//! What follows the `?`.

use percent_encoding::percent_decode_str;

/// Parameters in the order of their coming, percent-decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Parameters(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
                    (decoded(name), decoded(value))
                })
                .collect(),
        )
    }

    /// The last value of a name; empty where it has none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(known, _)| known == name);
        named.next_back().map(|(_, value)| value.as_str())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn all(&self) -> &[(String, String)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_the_last_of_a_name_counts() {
        let parameters = Parameters::parse("a=1&include_eds&&name_regex=%5Eout.*%7Cb%zz&a=2");
        assert_eq!(parameters.get("a"), Some("2"));
        assert_eq!(parameters.get("name_regex"), Some("^out.*|b%zz"));
        assert!(parameters.has("include_eds") && !parameters.has("b"));
        assert_eq!(parameters.all().len(), 4);
        assert_eq!(Parameters::parse(""), Parameters::default());
    }
}
