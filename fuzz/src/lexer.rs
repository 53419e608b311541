//! Reads SQL as PostgreSQL's scanner does, as far as the library's statements go. What they have no use for, such
//! as `U&"..."`, is an error, and so is all that never ends. `tests/tests/identifiers.rs` asks a server the same.

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing else in a statement")]
pub enum Token {
    /// A key word, or a name without quotes.
    Word(String),
    /// A name in double quotes, without them.
    Identifier(String),
    /// A string, as it is meant.
    Text(String),
    /// SQL within SQL.
    Body(Vec<Token>),
    /// A parameter's number.
    Parameter(String),
    /// Digits.
    Number(String),
    /// Anything else, character by character.
    Sign(char),
}

/// How a backslash in an ordinary string is read: the server's `standard_conforming_strings`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it is on or off")]
pub enum Strings {
    /// As itself.
    Conforming,
    /// As an escape.
    Escaping,
}

/// The pieces of a statement.
///
/// # Errors
/// When a quote or comment does not end, or something comes that no statement of ours needs.
pub fn tokens(sql: &str, strings: Strings) -> Result<Vec<Token>, String> {
    let mut lexer = Lexer { rest: sql, strings };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.token()? {
        tokens.push(token);
    }
    Ok(tokens)
}

#[derive(Clone, Copy)]
struct Lexer<'a> {
    rest: &'a str,
    strings: Strings,
}

impl<'a> Lexer<'a> {
    fn token(&mut self) -> Result<Option<Token>, String> {
        self.skip_blanks()?;
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        Ok(Some(match first {
            '"' => Token::Identifier(self.identifier()?),
            '\'' => Token::Text(self.text(self.strings)?),
            '$' => self.dollar()?,
            '0'..='9' => Token::Number(self.digits()?),
            first if starts_name(first) => self.word()?,
            sign => {
                self.take_while(|_| false, sign.len_utf8());
                Token::Sign(sign)
            }
        }))
    }

    /// Takes `least` bytes and whatever follows them that fits.
    fn take_while(&mut self, fits: impl Fn(char) -> bool, least: usize) -> &'a str {
        let (first, rest) = self.rest.split_at(least);
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        let (taken, rest) = self.rest.split_at(first.len() + end);
        self.rest = rest;
        taken
    }

    fn skip_blanks(&mut self) -> Result<(), String> {
        loop {
            self.skip_lines();
            let Some(comment) = self.rest.strip_prefix("/*") else { return Ok(()) };
            self.rest = after_comment(comment)?;
        }
    }

    /// Spaces, and comments up to the end of a line.
    fn skip_lines(&mut self) {
        loop {
            self.take_while(is_space, 0);
            if !self.rest.starts_with("--") {
                return;
            }
            self.take_while(|c| !is_newline(c), 2);
        }
    }

    fn identifier(&mut self) -> Result<String, String> {
        let mut name = String::new();
        self.rest = self.rest.strip_prefix('"').unwrap_or(self.rest);
        loop {
            let Some((piece, rest)) = self.rest.split_once('"') else {
                return Err(format!("the identifier {name:?}... does not end"));
            };
            name.push_str(piece);
            let Some(more) = rest.strip_prefix('"') else {
                self.rest = rest;
                return if name.is_empty() { Err("an empty identifier".into()) } else { Ok(name) };
            };
            name.push('"');
            self.rest = more;
        }
    }

    /// A string; one that begins on another line goes on with it.
    fn text(&mut self, strings: Strings) -> Result<String, String> {
        let mut text = String::new();
        loop {
            self.rest = self.rest.strip_prefix('\'').unwrap_or(self.rest);
            self.text_piece(strings, &mut text)?;
            let mut after = *self;
            after.skip_lines();
            let between = self.rest.get(..self.rest.len() - after.rest.len()).unwrap_or_default();
            if !between.contains(is_newline) || !after.rest.starts_with('\'') {
                return Ok(text);
            }
            *self = after;
        }
    }

    fn text_piece(&mut self, strings: Strings, text: &mut String) -> Result<(), String> {
        let mut characters = self.rest.chars();
        while let Some(character) = characters.next() {
            let next = characters.clone().next();
            match character {
                '\'' if next == Some('\'') => {
                    characters.next();
                    text.push('\'');
                }
                '\'' => {
                    self.rest = characters.as_str();
                    return Ok(());
                }
                '\\' if strings == Strings::Escaping => {
                    characters.next();
                    text.push(
                        next.filter(|c| !"'bfnrtuUx01234567".contains(*c)).ok_or_else(|| {
                            format!("the escape of {next:?} means more than itself")
                        })?,
                    );
                }
                other => text.push(other),
            }
        }
        Err(format!("the string {text:?}... does not end"))
    }

    fn word(&mut self) -> Result<Token, String> {
        let word = self.take_while(continues_name, 0);
        let quoted = self.rest.starts_with('\'');
        match word {
            "e" | "E" if quoted => Ok(Token::Text(self.text(Strings::Escaping)?)),
            "b" | "B" | "n" | "N" | "x" | "X" if quoted => Err(format!("{word} before a string")),
            "u" | "U" if self.rest.starts_with("&'") || self.rest.starts_with("&\"") => {
                Err(format!("{word}& before a quote"))
            }
            _ => Ok(Token::Word(word.into())),
        }
    }

    fn digits(&mut self) -> Result<String, String> {
        let digits = self.take_while(|c| c.is_ascii_digit(), 0);
        if self.rest.starts_with(starts_name) {
            return Err(format!("junk after {digits}"));
        }
        Ok(digits.into())
    }

    /// `$1`, or `$tag$...$tag$`.
    fn dollar(&mut self) -> Result<Token, String> {
        let whole = self.rest;
        self.take_while(|_| false, 1);
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(Token::Parameter(self.digits()?));
        }
        let tag = self.take_while(|c| continues_name(c) && c != '$', 0);
        let Some(rest) = self.rest.strip_prefix('$') else { return Err("a lone dollar".into()) };
        let quote = whole.get(..tag.len() + 2).unwrap_or_default();
        let Some((body, rest)) = rest.split_once(quote) else {
            return Err(format!("{quote} does not end"));
        };
        self.rest = rest;
        Ok(Token::Body(tokens(body, self.strings)?))
    }
}

/// What comes after a comment, which may have others in it.
fn after_comment(mut rest: &str) -> Result<&str, String> {
    let mut depth = 1_u32;
    while depth > 0 {
        let Some(at) = rest.find(['*', '/']) else { return Err("a comment does not end".into()) };
        rest = rest.get(at..).unwrap_or_default();
        (rest, depth) = if let Some(inner) = rest.strip_prefix("/*") {
            (inner, depth + 1)
        } else if let Some(outer) = rest.strip_prefix("*/") {
            (outer, depth - 1)
        } else {
            (rest.get(1..).unwrap_or_default(), depth)
        };
    }
    Ok(rest)
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

const fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

const fn starts_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

const fn continues_name(c: char) -> bool {
    starts_name(c) || c.is_ascii_digit() || c == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sql: &str) -> Result<Vec<Token>, String> {
        tokens(sql, Strings::Conforming)
    }

    fn word(word: &str) -> Token {
        Token::Word(word.into())
    }

    fn text(text: &str) -> Token {
        Token::Text(text.into())
    }

    fn identifier(name: &str) -> Token {
        Token::Identifier(name.into())
    }

    #[test]
    fn quotes_end_where_they_are_not_doubled() {
        assert_eq!(read(r#""a""b" 'c''d'"#), Ok(vec![identifier("a\"b"), text("c'd")]));
        assert_eq!(read(r#""a" "b""#), Ok(vec![identifier("a"), identifier("b")]));
        assert_eq!(read("'a' 'b'"), Ok(vec![text("a"), text("b")]));
        assert_eq!(read("'a'\t-- c\n 'b'"), Ok(vec![text("ab")]));
        assert_eq!(read("'a'/*\n*/'b'"), Ok(vec![text("a"), text("b")]));
    }

    #[test]
    fn a_backslash_is_what_the_setting_says_or_an_e() {
        let both = |sql| [Strings::Conforming, Strings::Escaping].map(|mode| tokens(sql, mode));
        assert_eq!(both(r"'a\\b'"), [Ok(vec![text(r"a\\b")]), Ok(vec![text(r"a\b")])]);
        assert_eq!(both(r"E'a\\b'"), [Ok(vec![text(r"a\b")]), Ok(vec![text(r"a\b")])]);
        assert_eq!(both(r#""a\""#), [Ok(vec![identifier(r"a\")]), Ok(vec![identifier(r"a\")])]);
        assert!(tokens(r"'a\'", Strings::Escaping).is_err());
    }

    #[test]
    fn dollars_quote_or_number_or_belong_to_a_word() {
        assert_eq!(read("$1"), Ok(vec![Token::Parameter("1".into())]));
        assert_eq!(read("$a$ $b$ $a$"), Err("$b$ does not end".into()));
        assert_eq!(read("$$a $ b$$"), Err("a lone dollar".into()));
        assert_eq!(read("$_$a$_$"), Ok(vec![Token::Body(vec![word("a")])]));
        assert_eq!(read("a$b$"), Ok(vec![word("a$b$")]));
    }

    #[test]
    fn comments_are_nothing() {
        assert_eq!(read("a--b\nc/*d/*e*/f*/g"), Ok(vec![word("a"), word("c"), word("g")]));
        assert_eq!(read("+/* / * ' */-"), Ok(vec![Token::Sign('+'), Token::Sign('-')]));
    }

    #[test]
    fn what_is_unclear_is_an_error() {
        let unclear = [
            "'", "'a", "E'\\", "E'\\n'", "\"", "\"a", "\"\"", "$a$", "$a$ $b$", "$", "/*", "/*/",
            "/* /* */", "U&\"a\"", "u&'a'", "X'1'", "1a", "$1a",
        ];
        for sql in unclear {
            assert!(read(sql).is_err(), "{sql} is {:?}", read(sql));
        }
    }
}
