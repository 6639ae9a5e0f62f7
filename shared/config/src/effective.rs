//! The value that holds for every used key, whether it was written or not.

use std::collections::BTreeMap;

use money::{Notional, Qty, Ratio};
use protocol::Symbol;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::catalogue::{self, Absent, Key};
use crate::check::Checked;
use crate::kinds;
use crate::problem::{Place, Problem};
use crate::value::Value;

/// One used key with the value that holds.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The key.
    pub key: &'static Key,
    /// Its value.
    pub value: Value,
    /// Where it is written; `None` if it is not.
    pub place: Option<Place>,
}

impl Setting {
    /// The value as an operator reads it: `off` where a limit is off.
    pub fn shown(&self) -> String {
        match (&self.value, self.key.absent) {
            (Value::Off, Absent::Follows(what)) => format!("follows {}", what.replace('`', "")),
            (value, _) => value.to_string(),
        }
    }
}

/// All used keys by path, and typed ways to take them out. A key of another kind than the one
/// asked for is a problem, never a default.
#[derive(Debug, Clone)]
pub(crate) struct Effective {
    settings: BTreeMap<&'static str, Setting>,
    #[cfg(test)]
    pub(crate) asked: std::cell::RefCell<std::collections::BTreeSet<&'static str>>,
}

impl Effective {
    pub(crate) fn new(checked: &Checked) -> Result<Self, Problem> {
        let mut settings = BTreeMap::new();
        for key in catalogue::keys().iter().filter(|key| key.is_used()) {
            let (value, place) = match checked.written.get(key.path).cloned() {
                Some((value, place)) => (value, Some(place)),
                None => (default(key)?, None),
            };
            let setting = Setting { key, value, place };
            settings.insert(key.path, setting);
        }
        Ok(Self {
            settings,
            #[cfg(test)]
            asked: std::cell::RefCell::default(),
        })
    }

    /// All settings in the order of the catalogue.
    pub(crate) fn into_settings(mut self) -> Vec<Setting> {
        catalogue::keys()
            .iter()
            .filter_map(|key| self.settings.remove(key.path))
            .collect()
    }

    /// Where a key is written; the start of the file if it is not.
    pub(crate) fn place(&self, path: &str) -> Place {
        self.settings
            .get(path)
            .and_then(|s| s.place)
            .unwrap_or(Place::START)
    }

    fn value(&self, path: &'static str) -> Result<&Value, Problem> {
        #[cfg(test)]
        self.asked.borrow_mut().insert(path);
        match self.settings.get(path) {
            Some(setting) => Ok(&setting.value),
            None => {
                Err(Problem::at(Place::START, "this key is missing from the catalogue").about(path))
            }
        }
    }

    fn wrong(&self, path: &'static str, what: impl Into<String>) -> Problem {
        Problem::at(self.place(path), what).about(path)
    }

    fn decimal(&self, path: &'static str) -> Result<Option<Decimal>, Problem> {
        match self.value(path)? {
            Value::Number(number) => Ok(Some(*number)),
            Value::Off => Ok(None),
            Value::Flag(_) | Value::Text(_) | Value::List(_) | Value::Table(_) => {
                Err(self.wrong(path, "is not a number"))
            }
        }
    }

    /// A number that cannot be off.
    fn must<T>(&self, path: &'static str, value: Option<T>) -> Result<T, Problem> {
        value.ok_or_else(|| self.wrong(path, "has no value"))
    }

    pub(crate) fn ratio(&self, path: &'static str) -> Result<Ratio, Problem> {
        let ratio = self.ratio_or_off(path)?;
        self.must(path, ratio)
    }

    pub(crate) fn ratio_or_off(&self, path: &'static str) -> Result<Option<Ratio>, Problem> {
        let ratio = self.decimal(path)?.map(Ratio::new).transpose();
        ratio.map_err(|e| self.wrong(path, e.to_string()))
    }

    pub(crate) fn notional_or_off(&self, path: &'static str) -> Result<Option<Notional>, Problem> {
        let notional = self.decimal(path)?.map(Notional::new).transpose();
        notional.map_err(|e| self.wrong(path, e.to_string()))
    }

    pub(crate) fn qty_or_off(&self, path: &'static str) -> Result<Option<Qty>, Problem> {
        let qty = self.decimal(path)?.map(Qty::new).transpose();
        qty.map_err(|e| self.wrong(path, e.to_string()))
    }

    pub(crate) fn count(&self, path: &'static str) -> Result<u32, Problem> {
        let count = self.count_or_off(path)?;
        self.must(path, count)
    }

    pub(crate) fn count_or_off(&self, path: &'static str) -> Result<Option<u32>, Problem> {
        let Some(number) = self.decimal(path)? else {
            return Ok(None);
        };
        let whole = number.fract().is_zero().then(|| number.to_u32()).flatten();
        self.must(path, whole).map(Some)
    }

    pub(crate) fn bytes(&self, path: &'static str) -> Result<u64, Problem> {
        let bytes = self.decimal(path)?.and_then(|n| n.to_u64());
        self.must(path, bytes)
    }

    /// A span of time, in milliseconds, from a key that counts units of `unit_ms`.
    pub(crate) fn span_ms(&self, path: &'static str, unit_ms: u32) -> Result<u64, Problem> {
        let span = self.span_ms_or_off(path, unit_ms)?;
        self.must(path, span)
    }

    pub(crate) fn span_ms_or_off(
        &self,
        path: &'static str,
        unit_ms: u32,
    ) -> Result<Option<u64>, Problem> {
        let Some(number) = self.decimal(path)? else {
            return Ok(None);
        };
        let ms = number
            .checked_mul(Decimal::from(unit_ms))
            .filter(|ms| ms.fract().is_zero());
        match ms.and_then(|ms| ms.to_u64()) {
            Some(ms) => Ok(Some(ms)),
            None => Err(self.wrong(path, "is not a whole number of milliseconds")),
        }
    }

    pub(crate) fn flag(&self, path: &'static str) -> Result<bool, Problem> {
        let flag = self.flag_or_unsaid(path)?;
        self.must(path, flag)
    }

    pub(crate) fn flag_or_unsaid(&self, path: &'static str) -> Result<Option<bool>, Problem> {
        match self.value(path)? {
            Value::Flag(flag) => Ok(Some(*flag)),
            Value::Off => Ok(None),
            Value::Number(_) | Value::Text(_) | Value::List(_) | Value::Table(_) => {
                Err(self.wrong(path, "is neither true nor false"))
            }
        }
    }

    pub(crate) fn text(&self, path: &'static str) -> Result<String, Problem> {
        let text = self.text_or_off(path)?;
        self.must(path, text)
    }

    pub(crate) fn text_or_off(&self, path: &'static str) -> Result<Option<String>, Problem> {
        match self.value(path)? {
            Value::Text(text) => Ok(Some(text.clone())),
            Value::Off => Ok(None),
            Value::Number(_) | Value::Flag(_) | Value::List(_) | Value::Table(_) => {
                Err(self.wrong(path, "is not a text"))
            }
        }
    }

    /// A word of a fixed list, translated; `None` from `of` means the catalogue has a word that
    /// nobody understands.
    pub(crate) fn word<T>(
        &self,
        path: &'static str,
        of: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Problem> {
        let text = self.text(path)?;
        of(&text).ok_or_else(|| self.wrong(path, format!("{text} is not understood")))
    }

    pub(crate) fn symbol(&self, path: &'static str) -> Result<Symbol, Problem> {
        let text = self.text(path)?;
        Symbol::new(&text).map_err(|e| self.wrong(path, e.to_string()))
    }

    pub(crate) fn list_or_off(&self, path: &'static str) -> Result<Option<Vec<String>>, Problem> {
        match self.value(path)? {
            Value::List(items) => Ok(Some(items.clone())),
            Value::Off => Ok(None),
            Value::Number(_) | Value::Flag(_) | Value::Text(_) | Value::Table(_) => {
                Err(self.wrong(path, "is not a list"))
            }
        }
    }

    pub(crate) fn symbols_or_off(
        &self,
        path: &'static str,
    ) -> Result<Option<Vec<Symbol>>, Problem> {
        let Some(names) = self.list_or_off(path)? else {
            return Ok(None);
        };
        let symbols = names
            .iter()
            .map(|name| Symbol::new(name))
            .collect::<Result<_, _>>();
        symbols
            .map(Some)
            .map_err(|e| self.wrong(path, e.to_string()))
    }

    pub(crate) fn table(&self, path: &'static str) -> Result<BTreeMap<String, String>, Problem> {
        match self.value(path)? {
            Value::Table(rows) => Ok(rows.clone()),
            Value::Off => Ok(BTreeMap::new()),
            Value::Number(_) | Value::Flag(_) | Value::Text(_) | Value::List(_) => {
                Err(self.wrong(path, "is not a section of names and texts"))
            }
        }
    }
}

fn default(key: &Key) -> Result<Value, Problem> {
    kinds::absent(key).map_err(|refusal| {
        let what = format!("its default is wrong: {}", refusal.what);
        Problem::at(Place::START, what).about(key.path)
    })
}
