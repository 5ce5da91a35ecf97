//! What a model file says of a model beside its arrays, and whether the two agree.
//!
//! Python makes the document, and reads it once it has passed here. A number that JSON has no word for is
//! `{"float": "inf"}`, `"-inf"` or `"nan"`.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

use crate::format::array::Dtype;
use crate::format::error::FormatError;
use crate::format::header::{Entry, Header};
use crate::format::labels::check_labels;
use crate::format::value::{Count, Parameters, Real};
use crate::network::Output;
use crate::training::optimizer::Optimizer;

/// The one format there is so far.
pub const VERSION: u64 = 1;
/// Bytes of a document at most.
const MOST: usize = 32 << 10;
/// State vectors of an optimizer at most, and bytes of the name of one.
const MOST_SLOTS: usize = 8;
const LONGEST_SLOT: usize = 32;
/// Words of the state of a Mersenne Twister.
const WORDS: u64 = 624;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document<'a> {
    #[serde(rename = "format")]
    _format: u64,
    /// Package and version, for those who look into a file.
    #[serde(rename = "writer", borrow)]
    _writer: Cow<'a, str>,
    class: Class,
    /// Constructor parameters; Python knows what each may be.
    #[serde(rename = "params")]
    _parameters: Parameters,
    #[serde(borrow)]
    fitted: Fitted<'a>,
    #[serde(borrow)]
    labels: Option<Labels<'a>>,
    #[serde(borrow)]
    optimizer: Option<OptimizerState<'a>>,
    random_state: Option<Generator>,
    unfinished: Option<Unfinished>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Class {
    #[serde(rename = "MLPClassifier")]
    Classifier,
    #[serde(rename = "MLPRegressor")]
    Regressor,
}

/// Attributes of a fitted estimator that are no arrays. One that need not be there may be null too.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fitted<'a> {
    #[serde(borrow)]
    out_activation_: Cow<'a, str>,
    #[serde(rename = "n_iter_")]
    _n_iter: Count,
    #[serde(rename = "t_")]
    _t: Count,
    #[serde(rename = "loss_")]
    _loss: Option<Real>,
    #[serde(rename = "best_loss_")]
    _best_loss: Option<Real>,
    /// Null if there are no scores; scores are an array.
    #[serde(rename = "validation_scores_")]
    _validation_scores: Option<()>,
    #[serde(rename = "best_validation_score_")]
    _best_validation_score: Option<Real>,
    #[serde(rename = "_no_improvement_count")]
    _no_improvement_count: Option<Count>,
    #[serde(rename = "best_epoch_")]
    _best_epoch: Option<Count>,
}

/// What scikit-learn's `LabelBinarizer` has found out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Labels<'a> {
    kind: Kind,
    #[serde(rename = "sparse_input")]
    _sparse_input: bool,
    /// NumPy's name for the dtype of `classes_`.
    #[serde(borrow)]
    dtype: Cow<'a, str>,
    /// The same of the binarizer's own classes, if it has others than the estimator.
    #[serde(borrow)]
    binarizer_dtype: Option<Cow<'a, str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Kind {
    #[serde(rename = "binary")]
    Binary,
    #[serde(rename = "multiclass")]
    Multiclass,
    #[serde(rename = "multilabel-indicator")]
    Multilabel,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OptimizerState<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    hyperparameters: HashMap<String, f64>,
    #[serde(rename = "learning_rate_init")]
    _learning_rate_init: Real,
    #[serde(rename = "learning_rate")]
    _learning_rate: Real,
    #[serde(rename = "schedule", borrow)]
    _schedule: Cow<'a, str>,
    #[serde(rename = "power_t")]
    _power_t: Real,
    #[serde(rename = "t")]
    _t: Count,
    /// Names of its state vectors; null before the first epoch.
    slots: Option<Vec<String>>,
}

/// A Mersenne Twister beside its words: how many are used up, and the normal number that is left over.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Generator {
    pos: u64,
    #[serde(rename = "has_gauss")]
    _has_gauss: bool,
    #[serde(rename = "gauss")]
    _gauss: Real,
}

/// What a fit that was cut short goes on from, beside what a fitted model has; the rest is in arrays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unfinished {
    /// Whether there are other weights that scored best.
    best: bool,
    /// Whether the weights, here in float64 as the fit trains them, are float32 once it has ended.
    #[serde(default, rename = "single")]
    _single: bool,
}

impl<'a> Document<'a> {
    pub fn parse(text: &'a str) -> Result<Self, FormatError> {
        #[derive(Deserialize)]
        struct Version {
            format: u64,
        }
        let malformed = |e| FormatError::invalid(format!("its document is malformed: {e}"));
        if text.len() > MOST {
            return Err(FormatError::invalid(format!(
                "its document has {} bytes, and may have {MOST}",
                text.len()
            )));
        }
        let Version { format } = serde_json::from_str(text).map_err(malformed)?;
        if format != VERSION {
            return Err(FormatError::Version { found: format, known: VERSION });
        }
        serde_json::from_str(text).map_err(malformed)
    }

    /// Whether there are the arrays that this document asks for, each of the right shape, and no other.
    pub fn check(&self, header: &Header<'_>) -> Result<(), FormatError> {
        let output = Output::from_name(&self.fitted.out_activation_)?;
        let weights = Weights::find(header)?;
        let mut count = weights.depth.saturating_mul(2);
        if let Some(optimizer) = &self.optimizer {
            count = count.saturating_add(optimizer.check(header, &weights)?);
        }
        match (self.class, &self.labels) {
            (Class::Classifier, Some(labels)) => {
                labels.check(header, weights.outputs, output == Output::Softmax)?;
                count = count.saturating_add(labels.count());
            }
            (Class::Regressor, None) => {}
            _ => {
                return Err(FormatError::invalid("a classifier has labels, a regressor none"));
            }
        }
        if let Some(generator) = &self.random_state {
            generator.check(header)?;
            count = count.saturating_add(1);
        }
        if let Some(ends) = header.find("feature_names_in_.ends") {
            ends.require(Dtype::U64, &[weights.inputs])?;
            let text = header.needed("feature_names_in_.text")?;
            text.require(Dtype::U8, &[text.bytes()])?;
            count = count.saturating_add(2);
        }
        if let Some(unfinished) = &self.unfinished {
            count = count.saturating_add(unfinished.check(header, &weights)?);
        }
        for curve in
            ["loss_curve_", "validation_scores_", "validation_loss_curve_", "learning_rate_curve_"]
        {
            if let Some(curve) = header.find(curve) {
                let epochs = curve.shape().first().copied().unwrap_or(0);
                curve.require(Dtype::F64, &[epochs])?;
                count = count.saturating_add(1);
            }
        }
        if header.count() == count {
            Ok(())
        } else {
            Err(FormatError::invalid(format!(
                "it has {} arrays, but {count} belong to a model like this",
                header.count()
            )))
        }
    }
}

impl Labels<'_> {
    fn count(&self) -> usize {
        1usize.saturating_add(usize::from(self.binarizer_dtype.is_some()))
    }

    fn check(&self, header: &Header<'_>, outputs: u64, softmax: bool) -> Result<(), FormatError> {
        let classes = check_labels(header, "classes_", &self.dtype)?;
        let binarized = match &self.binarizer_dtype {
            Some(dtype) => check_labels(header, "label_binarizer.classes_", dtype)?,
            None => classes,
        };
        let expected = match self.kind {
            Kind::Multilabel => binarized,
            Kind::Multiclass => classes,
            Kind::Binary if softmax => classes,
            Kind::Binary => 1,
        };
        let enough = self.kind != Kind::Binary || classes <= 2;
        if outputs == expected && enough {
            Ok(())
        } else {
            Err(FormatError::invalid(format!(
                "{classes} classes ({:?}) do not go with {outputs} outputs",
                self.kind
            )))
        }
    }
}

impl OptimizerState<'_> {
    /// Check it, and return how many arrays it has.
    fn check(&self, header: &Header<'_>, weights: &Weights) -> Result<usize, FormatError> {
        let optimizer = Optimizer::from_name(&self.name, &self.hyperparameters)?;
        let Some(slots) = &self.slots else {
            return Ok(0);
        };
        let is_name = |slot: &str| {
            slot.len() <= LONGEST_SLOT
                && slot.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        if slots.len() > MOST_SLOTS || !slots.iter().all(|slot| is_name(slot)) {
            return Err(FormatError::invalid("the optimizer's slots are malformed"));
        }
        if let Some(lacking) =
            optimizer.slots().iter().find(|slot| !slots.iter().any(|s| s == *slot))
        {
            return Err(FormatError::invalid(format!("the optimizer's state lacks {lacking:?}")));
        }
        for slot in slots {
            let first = header.needed(&format!("optimizer.{slot}.coefs_.0"))?;
            weights.check_others(header, &format!("optimizer.{slot}."), number(first)?)?;
        }
        Ok(slots.len().saturating_mul(weights.depth).saturating_mul(2))
    }
}

impl Unfinished {
    /// Check it, and return how many arrays it has.
    fn check(&self, header: &Header<'_>, weights: &Weights) -> Result<usize, FormatError> {
        let mut count = 0usize;
        for rows in ["unfinished.order", "unfinished.held_out"] {
            if let Some(rows) = header.find(rows) {
                let len = rows.shape().first().copied().unwrap_or(0);
                rows.require(Dtype::I64, &[len])?;
                count = count.saturating_add(1);
            }
        }
        if self.best {
            let dtype = number(header.needed("coefs_.0")?)?;
            weights.check_others(header, "unfinished.best.", dtype)?;
            count = count.saturating_add(weights.depth.saturating_mul(2));
        }
        Ok(count)
    }
}

impl Generator {
    fn check(&self, header: &Header<'_>) -> Result<(), FormatError> {
        header.needed("random_state")?.require(Dtype::U32, &[WORDS])?;
        if self.pos <= WORDS {
            Ok(())
        } else {
            Err(FormatError::invalid(format!(
                "the random state's position must be at most {WORDS}; got {}",
                self.pos
            )))
        }
    }
}

/// What the shapes of the weights say.
struct Weights {
    depth: usize,
    inputs: u64,
    outputs: u64,
}

impl Weights {
    fn find(header: &Header<'_>) -> Result<Self, FormatError> {
        let first = header.needed("coefs_.0")?;
        let dtype = number(first)?;
        let &[inputs, mut outputs] = first.shape() else {
            return Err(FormatError::invalid("coefs_.0 must have two dimensions"));
        };
        let mut depth = 0usize;
        let mut fan_in = inputs;
        while let Some(coefs) = header.find(&format!("coefs_.{depth}")) {
            outputs = coefs.shape().last().copied().unwrap_or(0);
            coefs.require(dtype, &[fan_in, outputs])?;
            if coefs.bytes() == 0 {
                return Err(FormatError::invalid(format!("{} is empty", coefs.name)));
            }
            let intercepts = header.needed(&format!("intercepts_.{depth}"))?;
            intercepts.require(dtype, &[outputs])?;
            fan_in = outputs;
            depth = depth.saturating_add(1);
        }
        Ok(Self { depth, inputs, outputs })
    }

    /// Whether there are arrays of these shapes under the same names with a prefix.
    fn check_others(
        &self,
        header: &Header<'_>,
        prefix: &str,
        dtype: Dtype,
    ) -> Result<(), FormatError> {
        for l in 0..self.depth {
            for array in ["coefs_", "intercepts_"] {
                let weights = header.needed(&format!("{array}.{l}"))?;
                header.needed(&format!("{prefix}{array}.{l}"))?.require(dtype, weights.shape())?;
            }
        }
        Ok(())
    }
}

/// The dtype of weights.
fn number(entry: &Entry<'_>) -> Result<Dtype, FormatError> {
    match entry.dtype {
        Dtype::F32 | Dtype::F64 => Ok(entry.dtype),
        other => Err(FormatError::invalid(format!(
            "{} must be F32 or F64; got {}",
            entry.name,
            other.name()
        ))),
    }
}
