//! What a model file begins with, from its arrays and back; the checks of reading are the last thing that writing does.
//!
//! Files are not touched here. Whoever writes one puts [`head`] into it and the bytes of the arrays after that; whoever reads
//! one asks [`header_len`] how long the header is, [`read_header`] which arrays follow, and [`check_data`] about each.

use crate::format::array::{Array, Dtype, length, numbers};
use crate::format::document::Document;
use crate::format::error::FormatError;
use crate::format::header::{self, Header};
use crate::format::labels;

/// What reading may take beyond twice the size of the file: small things, such as the document.
pub const SLACK: usize = 256 << 10;

/// A file as far as the first array, and which of `arrays` follow, by their place there.
///
/// What could not be read again is refused.
pub fn head(document: &str, arrays: &[Array<'_>]) -> Result<(Vec<u8>, Vec<usize>), FormatError> {
    let mut order: Vec<_> = arrays.iter().enumerate().collect();
    // Wide numbers first, so that every array is aligned in the file. Otherwise by name: one model, one file.
    order.sort_by(|(_, a), (_, b)| b.dtype.size().cmp(&a.dtype.size()).then(a.name.cmp(b.name)));
    let (order, arrays): (Vec<_>, Vec<_>) = order.into_iter().unzip();
    let text = header::text(document, &arrays)?;
    let header = parse(&text)?;
    for array in arrays {
        if header.find(array.name).is_none() {
            let message = format!("array {:?} cannot be written", array.name);
            return Err(FormatError::invalid(message));
        }
        check_data(array)?;
    }
    let mut head = length(&text).to_le_bytes().to_vec();
    head.extend(text);
    Ok((head, order))
}

/// How long the header of a file of `size` bytes is, by the first bytes of the file.
pub fn header_len(start: &[u8], size: u64) -> Result<u64, FormatError> {
    let Some(&prefix) = start.first_chunk::<8>().filter(|_| size >= header::PREFIX) else {
        return Err(FormatError::invalid(format!("the file has only {size} bytes")));
    };
    let length = u64::from_le_bytes(prefix);
    if length > size.saturating_sub(header::PREFIX).min(header::MOST) {
        return Err(FormatError::invalid(format!(
            "it begins with a header length of {length}, but the file has {size} bytes"
        )));
    }
    Ok(length)
}

/// The header of a file of `size` bytes: the document, and arrays that fill just the rest of the file.
pub fn read_header(text: &[u8], size: u64) -> Result<Header<'_>, FormatError> {
    let header = parse(text)?;
    let after_header = size.saturating_sub(header::PREFIX).saturating_sub(length(text));
    if header.data_len() != after_header {
        let cut_off =
            if header.data_len() > after_header { ". It seems to be cut off" } else { "" };
        let message = format!(
            "the arrays take {} bytes by the header, but {after_header} bytes follow it{cut_off}",
            header.data_len()
        );
        return Err(FormatError::invalid(message));
    }
    Ok(header)
}

fn parse(text: &[u8]) -> Result<Header<'_>, FormatError> {
    let header = Header::parse(text)?;
    Document::parse(&header.document)?.check(&header)?;
    Ok(header)
}

/// Whether what an array holds can be what its name says.
pub fn check_data(array: &Array<'_>) -> Result<(), FormatError> {
    let Array { name, dtype, shape, data } = *array;
    let bytes = shape.iter().try_fold(dtype.size(), |n, &dim| n.checked_mul(dim));
    if bytes != Some(length(data)) {
        return Err(FormatError::invalid(format!(
            "{name} of {} and shape {shape:?} does not take {} bytes",
            dtype.name(),
            data.len()
        )));
    }
    let good = match name {
        "classes_" | "label_binarizer.classes_" => labels::are_valid(array),
        "feature_names_in_.ends" => numbers(data).map(u64::from_le_bytes).is_sorted(),
        name if ["coefs_", "intercepts_", "unfinished.best."]
            .iter()
            .any(|n| name.starts_with(n)) =>
        {
            match dtype {
                Dtype::F32 => numbers(data).all(|x| f32::from_le_bytes(x).is_finite()),
                _ => numbers(data).all(|x| f64::from_le_bytes(x).is_finite()),
            }
        }
        _ => true,
    };
    let expected = match name {
        "classes_" | "label_binarizer.classes_" => "valid labels in increasing order",
        "feature_names_in_.ends" => "in increasing order",
        _ => "finite",
    };
    if good { Ok(()) } else { Err(FormatError::invalid(format!("{name} must be {expected}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::header::Entry;

    const DOCUMENT: &str = r#"{
        "format": 1, "writer": "rustbp 0.1.0", "class": "MLPClassifier",
        "params": {"alpha": 1e-4, "hidden_layer_sizes": {"tuple": []}, "tol": {"float": "inf"}},
        "fitted": {"out_activation_": "logistic", "n_iter_": 2, "t_": 6, "loss_": {"float": "nan"}},
        "labels": {"kind": "binary", "sparse_input": false, "dtype": "<U2", "binarizer_dtype": null},
        "optimizer": {"name": "sgd", "hyperparameters": {"momentum": 0.9, "nesterov": 1}, "learning_rate_init": 0.1,
                      "learning_rate": 0.1, "schedule": "constant", "power_t": 0.5, "t": 2, "slots": ["velocity"]},
        "random_state": null}"#;

    fn bytes(numbers: &[f32]) -> Vec<u8> {
        numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    type Given = (&'static str, Dtype, Vec<u64>, Vec<u8>);

    /// Two inputs, one output, the labels "a" and "bc".
    fn model() -> Vec<Given> {
        let labels = ['a', '\0', 'b', 'c'].map(u32::from);
        let labels = labels.iter().flat_map(|c| c.to_le_bytes()).collect();
        vec![
            ("coefs_.0", Dtype::F32, vec![2, 1], bytes(&[1.5, -0.0])),
            ("intercepts_.0", Dtype::F32, vec![1], bytes(&[2.0])),
            ("classes_", Dtype::U32, vec![2, 2], labels),
            ("optimizer.velocity.coefs_.0", Dtype::F32, vec![2, 1], bytes(&[0.1, 0.2])),
            ("optimizer.velocity.intercepts_.0", Dtype::F32, vec![1], bytes(&[f32::NAN])),
            ("loss_curve_", Dtype::F64, vec![0], vec![]),
        ]
    }

    fn written(document: &str, model: &[Given]) -> Result<Vec<u8>, FormatError> {
        let arrays: Vec<_> = model
            .iter()
            .map(|(name, dtype, shape, data)| Array { name, dtype: *dtype, shape, data })
            .collect();
        let (mut file, order) = head(document, &arrays)?;
        order.into_iter().for_each(|i| file.extend(arrays[i].data));
        Ok(file)
    }

    type Found = (String, Dtype, Vec<u64>, Vec<u8>);

    fn read_all(file: &[u8]) -> Result<(String, Vec<Found>), FormatError> {
        let size = length(file);
        let len = usize::try_from(header_len(file, size)?).unwrap();
        let (text, mut data) = file[8..].split_at(len);
        let header = read_header(text, size)?;
        let document = header.document.clone().into_owned();
        let mut found = Vec::new();
        for entry in header.into_file_order() {
            let (own, rest) = data.split_at(usize::try_from(entry.bytes()).unwrap());
            let Entry { name, dtype, .. } = entry;
            check_data(&Array { name, dtype, shape: entry.shape(), data: own })?;
            found.push((name.to_owned(), dtype, entry.shape().to_vec(), own.to_vec()));
            data = rest;
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok((document, found))
    }

    fn message<T>(result: Result<T, FormatError>) -> String {
        result.err().expect("must be refused").to_string()
    }

    #[test]
    fn what_is_written_is_read() {
        let (document, found) = read_all(&written(DOCUMENT, &model()).unwrap()).unwrap();
        let mut expected: Vec<Found> = model()
            .into_iter()
            .map(|(name, dtype, shape, data)| (name.to_owned(), dtype, shape, data))
            .collect();
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(document, DOCUMENT);
        assert_eq!(found, expected);
    }

    /// The crate is an independent reader and writer of the format.
    #[test]
    fn the_crate_safetensors_agrees() {
        use safetensors::tensor::{Dtype as Theirs, SafeTensors, TensorView, serialize};

        let file = written(DOCUMENT, &model()).unwrap();
        let theirs = SafeTensors::deserialize(&file).unwrap();
        assert_eq!(theirs.len(), model().len());
        for (name, dtype, shape, data) in model() {
            let tensor = theirs.tensor(name).unwrap();
            let shape: Vec<_> = shape.iter().map(|&n| usize::try_from(n).unwrap()).collect();
            assert_eq!(format!("{}", tensor.dtype()), dtype.name());
            assert_eq!((tensor.shape(), tensor.data()), (&shape[..], &data[..]));
        }
        let (_, metadata) = SafeTensors::read_metadata(&file).unwrap();
        let metadata = metadata.metadata().clone().unwrap();
        assert_eq!(metadata[header::KEY], DOCUMENT);

        let arrays = model();
        let views = arrays.iter().map(|(name, dtype, shape, data)| {
            let shape = shape.iter().map(|&n| usize::try_from(n).unwrap()).collect();
            let dtype = match dtype {
                Dtype::F32 => Theirs::F32,
                Dtype::U32 => Theirs::U32,
                _ => Theirs::F64,
            };
            (*name, TensorView::new(dtype, shape, data).unwrap())
        });
        let again = serialize(views, Some(metadata)).unwrap();
        assert_eq!(read_all(&again).unwrap(), read_all(&file).unwrap());
    }

    #[test]
    fn every_truncation_and_an_extra_byte_are_refused() {
        let mut file = written(DOCUMENT, &model()).unwrap();
        for end in 0..file.len() {
            assert!(read_all(&file[..end]).is_err(), "{end}");
        }
        file.push(0);
        assert!(message(read_all(&file)).contains("bytes follow it"));
    }

    /// Every bit of a file, one after another.
    #[test]
    fn flipped_bits_do_no_harm() {
        let file = written(DOCUMENT, &model()).unwrap();
        let mut valid = 0;
        for bit in 0..file.len() * 8 {
            let mut changed = file.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            valid += usize::from(read_all(&changed).is_ok());
        }
        // Bits of numbers, and letters of what only Python knows.
        assert!(valid > 50 && valid < file.len() * 4, "{valid}");
    }

    /// A dictionary as a parameter, and a fit that was cut short.
    #[test]
    fn documents_may_have_more() {
        let given = DOCUMENT
            .replace("\"tuple\": []", "\"dict\": [[\"a\", 0.5], [1, {\"float\": \"inf\"}]]");
        let given = given.replace("\"random_state\": null", "\"unfinished\": {\"best\": true}");
        let mut arrays = model();
        arrays.push(("unfinished.order", Dtype::I64, vec![1], vec![0; 8]));
        arrays.push(("unfinished.best.coefs_.0", Dtype::F32, vec![2, 1], bytes(&[1.0, 2.0])));
        arrays.push(("unfinished.best.intercepts_.0", Dtype::F32, vec![1], bytes(&[3.0])));
        assert!(written(&given, &arrays).is_ok());
        arrays[8].2 = vec![1, 1];
        assert!(message(written(&given, &arrays)).contains("unfinished.best.intercepts_.0"));
    }

    #[test]
    fn documents_that_do_not_fit_are_refused() {
        for (from, to, expected) in [
            ("\"format\": 1", "\"format\": 2", "it is of format 2"),
            ("\"format\": 1", "\"format\": 1.5", "malformed"),
            ("\"format\"", "\"forma\"", "malformed"),
            ("MLPClassifier", "Popen", "unknown variant `Popen`"),
            ("MLPClassifier", "MLPRegressor", "a regressor none"),
            ("\"logistic\"", "\"softmax\"", "2 classes (Binary) do not go with 1 outputs"),
            ("\"logistic\"", "\"sigmoid\"", "output_activation must be one of"),
            ("\"t_\": 6", "\"t_\": -6", "invalid value"),
            ("\"t_\": 6", "\"t_\": 9223372036854775808", "a smaller number"),
            ("\"t_\": 6", "\"t_\": 6, \"t_\": 6", "duplicate field"),
            ("\"t_\": 6", "\"t_\": 6, \"u_\": 6", "unknown field"),
            ("\"nan\"", "\"NaN\"", "unknown variant"),
            ("\"tuple\": []", "\"tuple\": [[]]", "invalid type"),
            ("\"tuple\": []", "\"pickle\": \"\"", "invalid type"),
            ("\"tuple\": []", "\"dict\": [1]", "invalid type"),
            ("\"tuple\": []", "\"dict\": [[1, [2]]]", "invalid type"),
            ("\"tuple\": []", "\"dict\": [[1, {\"dict\": []}]]", "invalid type"),
            ("<U2", "<U3", "must be U32 of shape [2, 3]"),
            ("<U2", "|O", "\"|O\" cannot be stored"),
            ("<U2", "<M8[D]", "must be I64 of shape [2]"),
            ("\"sgd\"", "\"sgdx\"", "optimizer must be one of"),
            ("\"momentum\": 0.9", "\"momentum\": 1.9", "momentum must be in [0, 1]"),
            ("[\"velocity\"]", "[]", "lacks \"velocity\""),
            (
                "[\"velocity\"]",
                "[\"velocity\", \"m\"]",
                "it lacks the array \"optimizer.m.coefs_.0\"",
            ),
            ("[\"velocity\"]", "[\"velocity\", \"velocity\"]", "it has 6 arrays, but 8 belong"),
            ("[\"velocity\"]", "null", "it has 6 arrays, but 4 belong"),
            (
                "\"random_state\": null",
                "\"random_state\": {\"pos\": 1, \"has_gauss\": false, \"gauss\": 0.0}",
                "it lacks the array \"random_state\"",
            ),
            (
                "\"random_state\": null",
                "\"unfinished\": {\"best\": true}",
                "it lacks the array \"unfinished.best.coefs_.0\"",
            ),
            ("\"random_state\": null", "\"unfinished\": {}", "missing field `best`"),
        ] {
            let changed = DOCUMENT.replacen(from, to, 1);
            assert_ne!(changed, DOCUMENT, "{from}");
            let found = message(written(&changed, &model()));
            assert!(found.contains(expected), "{to}: {found}");
        }
    }

    #[test]
    fn files_of_another_length_are_refused() {
        let file = written(DOCUMENT, &model()).unwrap();
        let short = message(read_all(&file[..file.len() - 1]));
        assert!(short.ends_with("bytes follow it. It seems to be cut off"), "{short}");
        let long = message(read_all(&[&file[..], &[0]].concat()));
        assert!(long.ends_with("bytes follow it"), "{long}");
    }

    #[test]
    fn arrays_that_do_not_fit_are_refused() {
        let change = |name: &str, change: fn(&mut Given)| {
            let mut arrays = model();
            change(arrays.iter_mut().find(|a| a.0 == name).unwrap());
            message(written(DOCUMENT, &arrays))
        };
        let nan = change("coefs_.0", |a| a.3 = bytes(&[1.0, f32::NAN]));
        assert!(nan.contains("coefs_.0 must be finite"), "{nan}");
        let infinite = change("intercepts_.0", |a| a.3 = bytes(&[f32::INFINITY]));
        assert!(infinite.contains("intercepts_.0 must be finite"), "{infinite}");
        let order = change("classes_", |a| a.3.reverse());
        assert!(order.contains("valid labels in increasing order"), "{order}");
        let code_point = change("classes_", |a| a.3[14] = 0x11);
        assert!(code_point.contains("valid labels"), "{code_point}");
        let name = change("loss_curve_", |a| a.0 = "loss_curves_");
        assert!(name.contains("it has 6 arrays, but 5 belong"), "{name}");
        let twice = change("loss_curve_", |a| a.0 = "coefs_.0");
        assert!(twice.contains("two of its arrays have the same name"), "{twice}");
        let shape = change("intercepts_.0", |a| a.2 = vec![1, 1]);
        assert!(shape.contains("intercepts_.0 must be F32 of shape [1]"), "{shape}");
        let rank = change("loss_curve_", |a| a.2 = vec![0, 0, 0]);
        assert!(rank.contains("one or two dimensions"), "{rank}");
        let size = change("coefs_.0", |a| a.2 = vec![u64::MAX, u64::MAX]);
        assert!(size.contains("does not go with its place"), "{size}");
    }
}
