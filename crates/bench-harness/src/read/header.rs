//! The Python literal in a numpy file: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.

use super::fault::Fault;

/// What the literal says.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    pub(super) descr: String,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<u64>,
}

/// The most dimensions that numpy allows.
const MAX_DIMENSIONS: usize = 64;

pub(super) fn parse(text: &str) -> Result<Header, Fault> {
    let mut cursor = Cursor { rest: text };
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    cursor.expect('{')?;
    while !cursor.accept('}') {
        let key = cursor.string()?;
        cursor.expect(':')?;
        let twice = match key {
            "descr" if cursor.peek() == Some('[') => {
                return Err(Fault::Unsupported("an array of records".to_owned()));
            }
            "descr" => descr.replace(cursor.string()?.to_owned()).is_some(),
            "fortran_order" => fortran_order.replace(cursor.truth()?).is_some(),
            "shape" => shape.replace(cursor.tuple()?).is_some(),
            _ => return Err(Fault::Header(format!("unknown key {key:?}"))),
        };
        if twice {
            return Err(Fault::Header(format!("key {key:?} twice")));
        }
        if !cursor.accept(',') && cursor.peek() != Some('}') {
            return Err(cursor.fault("',' or '}'"));
        }
    }
    if cursor.peek().is_some() {
        return Err(cursor.fault("its end"));
    }
    let missing = |key: &str| Fault::Header(format!("no key {key:?}"));
    Ok(Header {
        descr: descr.ok_or_else(|| missing("descr"))?,
        fortran_order: fortran_order.ok_or_else(|| missing("fortran_order"))?,
        shape: shape.ok_or_else(|| missing("shape"))?,
    })
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn accept(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), Fault> {
        if self.accept(wanted) { Ok(()) } else { Err(self.fault(&format!("{wanted:?}"))) }
    }

    fn fault(&self, wanted: &str) -> Fault {
        let found: String = self.rest.chars().take(20).collect();
        Fault::Header(format!("expected {wanted}, found {found:?}"))
    }

    fn string(&mut self) -> Result<&'a str, Fault> {
        let quote = self.peek().filter(|&c| c == '\'' || c == '"').ok_or_else(|| self.fault("a string"))?;
        let (value, rest) = self.rest[1..].split_once(quote).ok_or_else(|| self.fault("a closed string"))?;
        self.rest = rest;
        Ok(value)
    }

    fn truth(&mut self) -> Result<bool, Fault> {
        self.peek();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(self.fault("True or False"))
    }

    fn tuple(&mut self) -> Result<Vec<u64>, Fault> {
        self.expect('(')?;
        let mut values = Vec::new();
        while !self.accept(')') {
            self.peek();
            let digits = self.rest.len() - self.rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, rest) = self.rest.split_at(digits);
            let value = number.parse().map_err(|_| self.fault("a dimension of 64 bits"))?;
            if values.len() == MAX_DIMENSIONS {
                return Err(Fault::Header(format!("more than {MAX_DIMENSIONS} dimensions")));
            }
            values.push(value);
            self.rest = rest;
            // Python 2 wrote long integers.
            self.accept('L');
            if !self.accept(',') && self.peek() != Some(')') {
                return Err(self.fault("',' or ')'"));
            }
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_numpy_writes_is_understood() {
        let header = parse("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n").unwrap();
        assert_eq!(header, Header { descr: "<f4".into(), fortran_order: false, shape: vec![3, 4] });
        assert_eq!(parse("{'shape': (5L,), 'descr': '|u1', 'fortran_order': True}").unwrap().shape, [5]);
        assert!(parse("{'shape': (), 'descr': '|u1', 'fortran_order': True}").unwrap().shape.is_empty());
    }

    #[test]
    fn anything_else_is_refused_with_what_was_found() {
        for (text, reason) in [
            ("", "expected '{'"),
            ("{'descr': '<f4', 'fortran_order': False}", "no key \"shape\""),
            ("{'descr': '<f4', 'descr': '<f4'}", "twice"),
            ("{'shape': (-3, 4)}", "a dimension"),
            ("{'shape': (99999999999999999999999,)}", "a dimension"),
            ("{'shape': (3 4)}", "',' or ')'"),
            ("{'descr': [('x', '<f4')]}", "records"),
            ("{'fortran_order': maybe}", "True or False"),
            ("{'weight': 3}", "unknown key"),
            ("{'descr': '<f4", "closed string"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x", "its end"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(reason), "{text}: {message}");
        }
    }
}
