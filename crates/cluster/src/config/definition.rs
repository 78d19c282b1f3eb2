//! One property: its type, its default and what it may hold.

use std::fmt;

/// Kafka's types of properties, numbered as in DescribeConfigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigType {
    /// `true` or `false`.
    Boolean = 1,
    /// Any text.
    String = 2,
    /// 32 bits.
    Int = 3,
    /// 16 bits.
    Short = 4,
    /// 64 bits.
    Long = 5,
    /// A floating-point number.
    Double = 6,
    /// Texts, separated by commas.
    List = 7,
    /// The name of a class.
    Class = 8,
    /// A text that is never shown.
    Password = 9,
}

impl ConfigType {
    /// The number in DescribeConfigs.
    pub const fn number(self) -> i8 {
        self as i8
    }

    const fn name(self) -> &'static str {
        match self {
            ConfigType::Boolean => "BOOLEAN",
            ConfigType::String => "STRING",
            ConfigType::Int => "INT",
            ConfigType::Short => "SHORT",
            ConfigType::Long => "LONG",
            ConfigType::Double => "DOUBLE",
            ConfigType::List => "LIST",
            ConfigType::Class => "CLASS",
            ConfigType::Password => "PASSWORD",
        }
    }
}

/// What a property may hold beyond its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Allowed {
    /// Everything.
    Any,
    /// Numbers from here.
    AtLeast(i64),
    /// Numbers from here to there, both included.
    Between(i64, i64),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these texts, in capital or small letters.
    OneOfIgnoringCase(&'static [&'static str]),
    /// Any of these texts, in a list.
    ListOf(&'static [&'static str]),
    /// 1 to 9, or -1.
    GzipLevel,
    /// `*`, or a list of `partition:broker`.
    ThrottledReplicas,
    /// A list of `NAME://host:port`.
    Listeners,
}

/// Another property that says the same, in another unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Synonym {
    /// The other property.
    pub name: &'static str,
    /// What to multiply its value by.
    pub scale: i64,
}

/// A property.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Definition {
    /// Kafka's name for it.
    pub name: &'static str,
    /// Its type.
    pub kind: ConfigType,
    /// Its value where nobody set one; `None` is Kafka's null.
    pub default: Option<&'static str>,
    /// What it may hold.
    pub allowed: Allowed,
    /// Of a topic's property: the broker's properties that stand in for it, the strongest first.
    pub synonyms: &'static [Synonym],
    /// Of a broker's property: whether it can be changed while the broker runs.
    pub dynamic: bool,
    /// What it is for.
    pub documentation: &'static str,
}

/// A parsed value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a boolean.
    Boolean(bool),
    /// Of a string, class or password.
    Text(String),
    /// Of a short, int or long.
    Number(i64),
    /// Of a double.
    Double(f64),
    /// Of a list.
    List(Vec<String>),
}

/// Why a value is wrong, in Kafka's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid value {value} for configuration {name}: {reason}")]
pub struct ConfigFault {
    /// The property.
    pub name: String,
    /// What was to be its value.
    pub value: String,
    /// What is allowed.
    pub reason: String,
}

impl Definition {
    /// Whether its value must never be shown.
    pub fn sensitive(&self) -> bool {
        self.kind == ConfigType::Password
    }

    /// Reads and checks a value.
    pub fn parse(&self, text: &str) -> Result<Value, ConfigFault> {
        let value = self
            .parse_type(text.trim())
            .map_err(|reason| self.fault(text, reason))?;
        match (self.allowed, &value) {
            // Of a list, the item is named that is wrong.
            (Allowed::ListOf(texts), Value::List(items)) => {
                for item in items {
                    check_one_of(texts, item).map_err(|reason| self.fault(item, reason))?;
                }
            }
            _ => self
                .check(&value)
                .map_err(|reason| self.fault(&value.to_string(), reason))?,
        }
        Ok(value)
    }

    fn fault(&self, value: &str, reason: String) -> ConfigFault {
        let value = if self.sensitive() { "[hidden]" } else { value };
        ConfigFault {
            name: self.name.to_owned(),
            value: value.to_owned(),
            reason,
        }
    }

    fn parse_type(&self, text: &str) -> Result<Value, String> {
        let number = |value: Option<i64>| {
            value
                .map(Value::Number)
                .ok_or_else(|| format!("Not a number of type {}", self.kind.name()))
        };
        match self.kind {
            ConfigType::Boolean if text.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
            ConfigType::Boolean if text.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
            ConfigType::Boolean => Err("Expected value to be either true or false".to_owned()),
            ConfigType::String | ConfigType::Class | ConfigType::Password => Ok(Value::Text(text.to_owned())),
            ConfigType::Short => number(text.parse::<i16>().ok().map(i64::from)),
            ConfigType::Int => number(text.parse::<i32>().ok().map(i64::from)),
            ConfigType::Long => number(text.parse().ok()),
            ConfigType::Double => match text.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Value::Double(value)),
                _ => Err("Not a number of type DOUBLE".to_owned()),
            },
            ConfigType::List if text.is_empty() => Ok(Value::List(Vec::new())),
            ConfigType::List => Ok(Value::List(
                text.split(',').map(|item| item.trim().to_owned()).collect(),
            )),
        }
    }

    fn check(&self, value: &Value) -> Result<(), String> {
        match (self.allowed, value) {
            (Allowed::AtLeast(least), Value::Number(number)) => check_range(*number as f64, least, None),
            (Allowed::AtLeast(least), Value::Double(number)) => check_range(*number, least, None),
            (Allowed::Between(least, most), Value::Number(number)) => check_range(*number as f64, least, Some(most)),
            (Allowed::Between(least, most), Value::Double(number)) => check_range(*number, least, Some(most)),
            (Allowed::OneOf(texts), Value::Text(text)) => check_one_of(texts, text),
            (Allowed::OneOfIgnoringCase(texts), Value::Text(text)) => {
                match texts.iter().any(|known| known.eq_ignore_ascii_case(text)) {
                    true => Ok(()),
                    false => Err(format!(
                        "String must be one of (case insensitive): {}",
                        texts.join(", ")
                    )),
                }
            }
            (Allowed::GzipLevel, Value::Number(-1 | 1..=9)) => Ok(()),
            (Allowed::GzipLevel, _) => Err("Value must be between 1 and 9 or equal to -1".to_owned()),
            (Allowed::ThrottledReplicas, Value::List(items)) => check_throttled_replicas(self.name, items),
            (Allowed::Listeners, Value::List(items)) => super::Endpoint::parse_list(&items.join(","))
                .map(drop)
                .map_err(|fault| fault.to_string()),
            _ => Ok(()),
        }
    }
}

fn check_range(number: f64, least: i64, most: Option<i64>) -> Result<(), String> {
    if number < least as f64 {
        return Err(format!("Value must be at least {least}"));
    }
    match most {
        Some(most) if number > most as f64 => Err(format!("Value must be no more than {most}")),
        _ => Ok(()),
    }
}

fn check_one_of(texts: &[&str], text: &str) -> Result<(), String> {
    if texts.contains(&text) {
        return Ok(());
    }
    Err(format!("String must be one of: {}", texts.join(", ")))
}

fn check_throttled_replicas(name: &str, items: &[String]) -> Result<(), String> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_replica = |item: &String| {
        item.split_once(':')
            .is_some_and(|(partition, broker)| digits(partition) && digits(broker))
    };
    if items == ["*"] || items.iter().all(is_replica) {
        return Ok(());
    }
    Err(format!(
        "{name} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    ))
}

/// The text Kafka shows for a value.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Boolean(value) => value.fmt(f),
            Value::Text(text) => f.write_str(text),
            Value::Number(number) => number.fmt(f),
            Value::Double(number) => fmt_double(*number, f),
            Value::List(items) => f.write_str(&items.join(",")),
        }
    }
}

/// Java's way to write a double: plain from a thousandth to ten million, with an exponent elsewhere.
fn fmt_double(number: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if number == 0.0 || (1e-3..1e7).contains(&number.abs()) {
        return write!(f, "{number:?}");
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => write!(f, "{mantissa}.0E{exponent}"),
        _ => f.write_str(&text),
    }
}
