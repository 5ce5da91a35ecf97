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
    List,
    /// A scalar, a list, `{"tuple": [...]}`, or `{"RandomState": null}`, which stands for the random state of the file.
    Parameter,
}

impl Value {
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
            Value::List => "a list",
            Value::Parameter => "a value of a parameter",
        })
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.only_if(matches!(self, Value::Scalar | Value::Parameter), Unexpected::Unit)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        let allowed = matches!(self, Value::Scalar | Value::Parameter);
        self.only_if(allowed, Unexpected::Bool(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        let allowed = matches!(self, Value::Scalar | Value::Parameter);
        self.only_if(allowed, Unexpected::Str(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.only_if(self != Value::List, Unexpected::Signed(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        let allowed = self != Value::List && i64::try_from(value).is_ok();
        self.only_if(allowed, Unexpected::Unsigned(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.only_if(self != Value::List, Unexpected::Float(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.only_if(matches!(self, Value::List | Value::Parameter), Unexpected::Seq)?;
        let mut count = 0usize;
        while seq.next_element_seed(Value::Scalar)?.is_some() {
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
            (Value::Real | Value::Scalar | Value::Parameter, Some("float")) => {
                let Word::Known = map.next_value()?;
            }
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
