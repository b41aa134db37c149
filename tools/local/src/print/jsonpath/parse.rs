//! Reading a template.

use serde_json::{Number, Value};

use super::{Comparison, Operand, Path, Piece, Step};

/// Templates within templates, so that no command line exhausts the stack.
const DEEPEST: usize = 64;

/// A position in the template.
struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

pub(super) fn template(text: &str) -> Result<Vec<Piece>, String> {
    let mut reader = Reader {
        rest: text,
        depth: 0,
    };
    reader.pieces(false)
}

impl<'a> Reader<'a> {
    /// Pieces up to the end, or up to `{end}` within a range.
    fn pieces(&mut self, in_range: bool) -> Result<Vec<Piece>, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("nested too deeply".to_owned());
        }
        let mut pieces = Vec::new();
        loop {
            let Some((before, after)) = self.rest.split_once('{') else {
                if in_range {
                    return Err("unclosed range: write {end}".to_owned());
                }
                if !self.rest.is_empty() {
                    pieces.push(Piece::Text(self.rest.to_owned()));
                }
                self.depth -= 1;
                return Ok(pieces);
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            self.rest = after;
            self.blanks();
            if let Some(rest) = self.keyword("end") {
                self.rest = rest;
                self.close()?;
                if !in_range {
                    return Err("not in range, nothing to end".to_owned());
                }
                self.depth -= 1;
                return Ok(pieces);
            }
            if let Some(rest) = self.keyword("range") {
                self.rest = rest;
                self.blanks();
                let path = self.path()?;
                self.close()?;
                let inner = self.pieces(true)?;
                pieces.push(Piece::Range(path, inner));
                continue;
            }
            // Several may stand in one pair of braces.
            loop {
                self.blanks();
                match self.rest.chars().next() {
                    Some('}') => break,
                    Some(quote @ ('"' | '\'')) => pieces.push(Piece::Text(self.quoted(quote)?)),
                    Some(_) => pieces.push(Piece::Path(self.path()?)),
                    None => return Err("unclosed action".to_owned()),
                }
            }
            self.close()?;
        }
    }

    fn keyword(&self, word: &str) -> Option<&'a str> {
        let rest = self.rest.strip_prefix(word)?;
        rest.starts_with([' ', '}']).then_some(rest)
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn close(&mut self) -> Result<(), String> {
        self.blanks();
        if self.take("}") {
            Ok(())
        } else {
            Err("unclosed action".to_owned())
        }
    }

    /// A text in quotes, with Go's escapes.
    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                _ if character == quote => {
                    self.rest = self.rest.get(at + quote.len_utf8()..).unwrap_or_default();
                    return Ok(text);
                }
                '\\' => match characters.next().map(|(_, escaped)| escaped) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some(other) => text.push(other),
                    None => break,
                },
                other => text.push(other),
            }
        }
        Err("unterminated quoted string".to_owned())
    }

    fn path(&mut self) -> Result<Path, String> {
        let mut path = Path::new();
        if !self.take("$") {
            self.take("@");
        }
        let before = self.rest;
        loop {
            if self.take("..") {
                path.push(Step::Below);
                if !self.rest.starts_with('[') {
                    path.push(self.name()?);
                }
            } else if self.take(".") {
                // `.` alone is the value itself; `.[0]` is `[0]`.
                if !self.rest.is_empty() && !self.rest.starts_with(['}', '[', ' ', ')', ']']) {
                    path.push(self.name()?);
                }
            } else if self.take("[") {
                path.push(self.subscript()?);
            } else if self.rest.len() == before.len() && path.is_empty() && self.is_name() {
                path.push(self.name()?);
            } else {
                break;
            }
        }
        if path.is_empty()
            && self.rest.len() == before.len()
            && !self.rest.starts_with(['}', ' ', ')'])
        {
            let found: String = self.rest.chars().take(1).collect();
            return Err(format!("unrecognized character in action: {found:?}"));
        }
        Ok(path)
    }

    fn is_name(&self) -> bool {
        self.rest
            .starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '\\')
    }

    fn name(&mut self) -> Result<Step, String> {
        if self.take("*") {
            return Ok(Step::All);
        }
        let mut name = String::new();
        let mut characters = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
                '.' | '[' | ']' | '{' | '}' | ' ' | '(' | ')' | '=' | '!' | '<' | '>' | ',' => {
                    end = at;
                    break;
                }
                other => name.push(other),
            }
        }
        self.rest = self.rest.get(end..).unwrap_or_default();
        if name.is_empty() {
            return Err("a field's name is missing after '.'".to_owned());
        }
        Ok(Step::Field(name))
    }

    fn subscript(&mut self) -> Result<Step, String> {
        self.blanks();
        if self.take("?(") {
            let filter = self.filter()?;
            if !self.take("]") {
                return Err("unterminated filter".to_owned());
            }
            return Ok(filter);
        }
        let mut steps = Vec::new();
        loop {
            self.blanks();
            let step = match self.rest.chars().next() {
                Some('*') => {
                    self.take("*");
                    Step::All
                }
                Some(quote @ ('\'' | '"')) => self.quoted_name(quote)?,
                Some(_) => self.numbers()?,
                None => return Err("unterminated array".to_owned()),
            };
            steps.push(step);
            self.blanks();
            if self.take("]") {
                break;
            }
            if !self.take(",") {
                return Err("unterminated array".to_owned());
            }
        }
        Ok(match steps.len() {
            1 => steps.remove(0),
            _ => Step::Union(steps),
        })
    }

    fn quoted_name(&mut self, quote: char) -> Result<Step, String> {
        let end = self
            .rest
            .get(1..)
            .and_then(|rest| rest.find(quote))
            .ok_or_else(|| "unterminated quoted string".to_owned())?;
        let written = self.rest.get(1..end + 1).unwrap_or_default();
        self.rest = self.rest.get(end + 2..).unwrap_or_default();
        let path = written
            .replace("\\.", "\u{0}")
            .split('.')
            .map(|field| Step::Field(field.replace('\u{0}', ".")))
            .collect();
        Ok(Step::Quoted(written.replace("\\.", "."), path))
    }

    /// `1`, `1:3`, `::2`.
    fn numbers(&mut self) -> Result<Step, String> {
        let end = self
            .rest
            .find([']', ','])
            .ok_or_else(|| "unterminated array".to_owned())?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        let invalid = || format!("invalid array index {text}");
        let parts: Vec<Option<i64>> = text
            .split(':')
            .map(|part| match part.trim() {
                "" => Ok(None),
                number => number.parse().map(Some).map_err(|_| invalid()),
            })
            .collect::<Result<_, _>>()?;
        match parts.as_slice() {
            [Some(index)] => Ok(Step::Index(*index)),
            [from, to] => Ok(Step::Slice(*from, *to, 1)),
            [from, to, by] => Ok(Step::Slice(*from, *to, by.unwrap_or(1))),
            _ => Err(invalid()),
        }
    }

    fn filter(&mut self) -> Result<Step, String> {
        let left = self.operand()?;
        self.blanks();
        if self.take(")") {
            return Ok(Step::Filter(left, None));
        }
        let comparison = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ]
        .into_iter()
        .find(|(token, _)| self.take(token))
        .map(|(_, comparison)| comparison)
        .ok_or_else(|| "unrecognized filter operator".to_owned())?;
        let right = self.operand()?;
        self.blanks();
        if !self.take(")") {
            return Err("unterminated filter".to_owned());
        }
        Ok(Step::Filter(left, Some((comparison, right))))
    }

    fn operand(&mut self) -> Result<Operand, String> {
        self.blanks();
        match self.rest.chars().next() {
            Some(quote @ ('\'' | '"')) => Ok(Operand::Literal(Value::String(self.quoted(quote)?))),
            Some('@' | '$' | '.') => self.path().map(Operand::Path),
            Some(_) => {
                let end = self
                    .rest
                    .find([' ', ')', '=', '!', '<', '>'])
                    .unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at(end);
                self.rest = rest;
                let literal = match word {
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    number => number
                        .parse::<i64>()
                        .map(|number| Value::Number(number.into()))
                        .ok()
                        .or_else(|| {
                            let number = number.parse::<f64>().ok()?;
                            Number::from_f64(number).map(Value::Number)
                        })
                        .ok_or_else(|| {
                            format!("cannot read {word:?} in a filter: texts stand in quotes")
                        })?,
                };
                Ok(Operand::Literal(literal))
            }
            None => Err("unterminated filter".to_owned()),
        }
    }
}
