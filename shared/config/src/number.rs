//! Plain decimal numbers from the text as written; no float, no guessing.

use rust_decimal::Decimal;

use crate::catalogue::Range;
use crate::value::{Refusal, refuse, refuse_hint};

impl Range {
    /// Whether a number lies inside. A bound that cannot be read contains nothing.
    pub fn contains(self, number: Decimal) -> bool {
        let bound = |text| Decimal::from_str_exact(text).ok();
        let (Some(low), Some(high)) = (bound(self.low), bound(self.high)) else {
            return false;
        };
        (number > low || (self.low_allowed && number == low)) && number <= high
    }
}

/// Reads a plain decimal: a sign if wanted, digits, a point with digits behind it if wanted.
pub(crate) fn plain_number(text: &str, plain: bool) -> Result<Decimal, Refusal> {
    if !plain {
        let what = format!("{} in quotes is a text, not a number", shown(text));
        return if digits_only(text) {
            refuse_hint(what, format!("write {text} without quotes"))
        } else {
            refuse(what)
        };
    }
    if !digits_only(text) {
        let what = format!("{} is not a number", shown(text));
        return match hint(text) {
            Some(hint) => refuse_hint(what, hint),
            None => refuse(what),
        };
    }
    Decimal::from_str_exact(text)
        .or_else(|_| refuse(format!("{} has too many digits", shown(text))))
}

/// A text from the file, short enough and printable enough for a message.
pub(crate) fn shown(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    let plain = short.chars().all(|c| !c.is_control() && c != '"') && !short.contains(' ');
    if plain && !short.is_empty() {
        format!("{short}{more}")
    } else {
        format!("{short:?}{more}")
    }
}

/// `12`, `-0.5`, `+3`, `.5`; not `5.`, `1e5`, `1_000` or `010` (which older readers take for 8).
fn digits_only(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let octal = |whole: &str| whole.len() > 1 && whole.starts_with('0');
    match unsigned.split_once('.') {
        Some((whole, fraction)) => {
            digits(whole) && !octal(whole) && digits(fraction) && !fraction.is_empty()
        }
        None => digits(unsigned) && !octal(unsigned) && !unsigned.is_empty(),
    }
}

fn hint(text: &str) -> Option<String> {
    if let Some(number) = text.strip_suffix('%') {
        let fraction = Decimal::from_str_exact(number.trim())
            .ok()?
            .checked_div(Decimal::ONE_HUNDRED)?;
        return Some(format!(
            "a fraction is wanted: write {}",
            fraction.normalize()
        ));
    }
    if text.ends_with('.') {
        return Some("digits are missing behind the point; was the file cut short?".to_owned());
    }
    let (dotted, joined) = (text.replacen(',', ".", 1), text.replace(',', ""));
    if text.matches(',').count() == 1 && digits_only(&dotted) {
        let or = if digits_only(&joined) {
            format!(" or {joined}")
        } else {
            String::new()
        };
        return Some(format!("write {dotted}{or}"));
    }
    let bare: String = text.chars().filter(|c| !matches!(c, '_' | ',')).collect();
    if bare != text && digits_only(&bare) {
        return Some(format!("write {bare}"));
    }
    let bare = bare.trim_start_matches('0');
    if !bare.is_empty() && text.starts_with('0') && digits_only(bare) {
        return Some(format!("write {bare}"));
    }
    text.bytes()
        .any(|b| b.is_ascii_digit())
        .then(|| "write it in plain digits, like 0.05".to_owned())
}
