//! Values in a document that only Python uses: each is checked, and not kept.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected,
    Visitor,
};

/// Parameters at most, and items of one that is a list.
const MOST_PARAMETERS: usize = 128;
const MOST_ITEMS: usize = 1024;

/// A number of things that have happened.
#[derive(Debug)]
pub struct Count;

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let count = u64::deserialize(json)?;
        match i64::try_from(count) {
            Ok(_) => Ok(Count),
            Err(_) => {
                Err(D::Error::invalid_value(Unexpected::Unsigned(count), &"a smaller number"))
            }
        }
    }
}

/// Any floating-point number.
#[derive(Debug)]
pub struct Real;

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        Value::Real.deserialize(json)?;
        Ok(Real)
    }
}

/// Constructor parameters by name.
#[derive(Debug)]
pub struct Parameters;

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Parameters;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of parameters")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut count = 0usize;
                while map.next_key::<IgnoredAny>()?.is_some() {
                    map.next_value_seed(Value::Parameter)?;
                    count = count.saturating_add(1);
                }
                if count > MOST_PARAMETERS {
                    return Err(A::Error::custom("too many parameters"));
                }
                Ok(Parameters)
            }
        }
        json.deserialize_map(Map)
    }
}

/// Values of one kind; they are checked, and not kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    /// A floating-point number.
    Real,
    /// Null, a boolean, a number or a text.
    Scalar,
    /// A list of scalars.
    Pair,
    /// A list of pairs: the keys and values of a dictionary.
    Pairs,
    /// A scalar, or `{"dict": [[key, value], ...]}`.
    Item,
    /// A list of items.
    List,
    /// An item, a list, `{"tuple": [...]}`, or `{"RandomState": null}`, which stands for the random state of the file.
    Parameter,
}

impl Value {
    /// Whether this may be null, a boolean, a number or a text.
    fn takes_scalars(self) -> bool {
        matches!(self, Value::Scalar | Value::Item | Value::Parameter)
    }

    /// What the items are where this may be a list.
    fn items(self) -> Option<Value> {
        match self {
            Value::Pair => Some(Value::Scalar),
            Value::Pairs => Some(Value::Pair),
            Value::List | Value::Parameter => Some(Value::Item),
            Value::Real | Value::Scalar | Value::Item => None,
        }
    }

    fn only_if<E: serde::de::Error>(self, allowed: bool, found: Unexpected<'_>) -> Result<(), E> {
        if allowed { Ok(()) } else { Err(E::invalid_type(found, &self)) }
    }
}

impl<'de> DeserializeSeed<'de> for Value {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Value::Real => "a floating-point number",
            Value::Scalar => "null, a boolean, a number or a text",
            Value::Pair => "a list of scalars",
            Value::Pairs => "a list of pairs",
            Value::Item => "a scalar or a dictionary",
            Value::List => "a list",
            Value::Parameter => "a value of a parameter",
        })
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.only_if(self.takes_scalars(), Unexpected::Unit)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.only_if(self.takes_scalars(), Unexpected::Bool(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.only_if(self.takes_scalars(), Unexpected::Str(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.only_if(self.takes_scalars() || self == Value::Real, Unexpected::Signed(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        let number = self.takes_scalars() || self == Value::Real;
        self.only_if(number && i64::try_from(value).is_ok(), Unexpected::Unsigned(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.only_if(self.takes_scalars() || self == Value::Real, Unexpected::Float(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let items = self.items().ok_or_else(|| A::Error::invalid_type(Unexpected::Seq, &self))?;
        let mut count = 0usize;
        while seq.next_element_seed(items)?.is_some() {
            count = count.saturating_add(1);
        }
        if count > MOST_ITEMS {
            return Err(A::Error::custom(format!(
                "a list of {count} items, where at most {MOST_ITEMS} are allowed"
            )));
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        #[derive(Deserialize)]
        enum Word {
            #[serde(rename = "inf", alias = "-inf", alias = "nan")]
            Known,
        }
        let key = map.next_key::<Cow<'_, str>>()?;
        match (self, key.as_deref()) {
            (_, Some("float")) if self.takes_scalars() || self == Value::Real => {
                let Word::Known = map.next_value()?;
            }
            (Value::Item | Value::Parameter, Some("dict")) => map.next_value_seed(Value::Pairs)?,
            (Value::Parameter, Some("tuple")) => map.next_value_seed(Value::List)?,
            (Value::Parameter, Some("RandomState")) => map.next_value()?,
            _ => return Err(A::Error::invalid_type(Unexpected::Map, &self)),
        }
        match map.next_key::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::invalid_type(Unexpected::Map, &self)),
        }
    }
}
