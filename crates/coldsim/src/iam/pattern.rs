//! Texts of a policy with wildcards and variables: `*`, `?`, `${aws:username}`,
//! and the escapes `${*}`, `${?}`, `${$}`.
//!
//! **Invariant:** what a variable stands for is taken literally, wildcards in
//! it included.

use super::{PolicyError, Scope};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Any,
    One,
    Variable { key: String, default: Option<String> },
}

/// A text as the policy has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

/// Whether `${…}` means anything: it does from version 2012-10-17 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variables {
    Expanded,
    Literal,
}

/// Whether upper and lower case differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Differs,
    Same,
}

/// One step of a pattern whose variables are filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Char(char),
    Any,
    One,
}

impl Pattern {
    /// Reads a text of the policy.
    pub(super) fn parse(text: &str, variables: Variables) -> Result<Self, PolicyError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if variables == Variables::Expanded && rest.starts_with("${") {
                let (inside, after) = rest[2..].split_once('}').ok_or_else(|| {
                    PolicyError(format!("`{text}`: a policy variable is not closed; write `${{$}}` for a plain `$`"))
                })?;
                pieces.push(variable(inside, text)?);
                rest = after;
                continue;
            }
            match c {
                '*' => pieces.push(Piece::Any),
                '?' => pieces.push(Piece::One),
                c => match pieces.last_mut() {
                    Some(Piece::Text(before)) => before.push(c),
                    _ => pieces.push(Piece::Text(c.to_string())),
                },
            }
            rest = &rest[c.len_utf8()..];
        }
        Ok(Self(pieces))
    }

    /// The text with its variables filled in and wildcards as they are; `None`
    /// if the request does not carry a variable that has no default.
    pub(super) fn text(&self, scope: &Scope<'_>) -> Option<String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Any => text.push('*'),
                Piece::One => text.push('?'),
                Piece::Variable { key, default } => {
                    text.push_str(&scope.variable(key).or_else(|| default.clone())?);
                }
            }
        }
        Some(text)
    }

    /// True if the whole of `text` fits.
    pub(super) fn matches(&self, text: &str, case: Case, scope: &Scope<'_>) -> bool {
        self.steps(scope).is_some_and(|steps| fits(&steps, text, case))
    }

    /// True if the ARN fits, each of its six parts on its own, so that a
    /// wildcard does not reach over a colon but in the last part. A pattern of
    /// fewer parts is matched as a whole.
    pub(super) fn matches_arn(&self, arn: &str, scope: &Scope<'_>) -> bool {
        let Some(steps) = self.steps(scope) else {
            return false;
        };
        let patterns: Vec<&[Step]> = steps.splitn(6, |step| *step == Step::Char(':')).collect();
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        if patterns.len() < 6 {
            return fits(&steps, arn, Case::Differs);
        }
        parts.len() == 6 && patterns.iter().zip(parts).all(|(pattern, part)| fits(pattern, part, Case::Differs))
    }

    fn steps(&self, scope: &Scope<'_>) -> Option<Vec<Step>> {
        let mut steps = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => steps.extend(plain.chars().map(Step::Char)),
                Piece::Any => steps.push(Step::Any),
                Piece::One => steps.push(Step::One),
                Piece::Variable { key, default } => {
                    let value = scope.variable(key).or_else(|| default.clone())?;
                    steps.extend(value.chars().map(Step::Char));
                }
            }
        }
        Some(steps)
    }
}

/// What stands between `${` and `}`.
fn variable(inside: &str, text: &str) -> Result<Piece, PolicyError> {
    if let "*" | "?" | "$" = inside {
        return Ok(Piece::Text(inside.to_string()));
    }
    let (key, default) = match inside.split_once(',') {
        None => (inside.trim(), None),
        Some((key, default)) => {
            let default = default.trim();
            let plain = default.strip_prefix('\'').and_then(|d| d.strip_suffix('\''));
            let plain =
                plain.ok_or_else(|| PolicyError(format!("`{text}`: put the default value in single quotes")))?;
            (key.trim(), Some(plain.to_string()))
        }
    };
    if key.is_empty() || key.contains(['$', '{', ' ']) {
        return Err(PolicyError(format!("`{text}`: `${{{inside}}}` is no policy variable")));
    }
    Ok(Piece::Variable { key: key.to_lowercase(), default })
}

/// Matches with wildcards, going back to the last `*` when stuck: linear but
/// for that, so that no pattern takes exponential time.
fn fits(steps: &[Step], text: &str, case: Case) -> bool {
    let text: Vec<char> = text.chars().collect();
    let same = |a: char, b: char| match case {
        Case::Differs => a == b,
        Case::Same => a == b || a.to_lowercase().eq(b.to_lowercase()),
    };
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match steps.get(at) {
            Some(Step::Any) => {
                star = Some((at, read));
                at += 1;
            }
            Some(Step::One) => (at, read) = (at + 1, read + 1),
            Some(Step::Char(c)) if same(*c, text[read]) => (at, read) = (at + 1, read + 1),
            _ => match star {
                Some((star_at, from)) => {
                    star = Some((star_at, from + 1));
                    (at, read) = (star_at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    steps[at..].iter().all(|step| *step == Step::Any)
}
