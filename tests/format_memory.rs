//! Reading a model file takes no more memory than twice the file and a constant, whatever the file is.
//!
//! An allocator counts what is taken; that is why this stands by itself. `FORMAT_FILES=200000 cargo test
//! --no-default-features --release --test format_memory` tries more files.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use rustbp::format::header::{Entry, PREFIX};
use rustbp::format::{self, Array, Dtype, FormatError, SLACK};

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

fn taken(bytes: usize) {
    let live = LIVE.get().wrapping_add(bytes);
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

// SAFETY: everything is done by the system's allocator; the counters are not allocated.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get().wrapping_sub(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // As if the old and the new block were always there together.
        taken(size);
        LIVE.set(LIVE.get().wrapping_sub(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The next bytes of a file, in memory of their own.
fn take(file: &mut &[u8], len: u64) -> Result<Vec<u8>, FormatError> {
    let (own, rest) = usize::try_from(len)
        .ok()
        .and_then(|len| file.split_at_checked(len))
        .ok_or_else(|| FormatError::invalid("the file ends early"))?;
    *file = rest;
    Ok(own.to_vec())
}

/// All bytes of a file but the first, piece by piece as `rustbp.load` reads them.
fn read(mut file: &[u8], size: u64) -> Result<Vec<Vec<u8>>, FormatError> {
    let len = format::header_len(file, size)?;
    take(&mut file, PREFIX)?;
    let text = take(&mut file, len)?;
    let mut kept = Vec::new();
    for entry in format::read_header(&text, size)?.into_file_order() {
        let data = take(&mut file, entry.bytes())?;
        let Entry { name, dtype, .. } = entry;
        format::check_data(&Array { name, dtype, shape: entry.shape(), data: &data })?;
        // The list itself is the caller's.
        let before = (LIVE.get(), PEAK.get());
        kept.push(data);
        LIVE.set(before.0);
        PEAK.set(before.1);
    }
    Ok(kept)
}

/// Read a file and keep its arrays: whether it is valid, and the most memory taken at a time.
fn peak(file: &[u8], size: u64) -> (bool, usize) {
    LIVE.set(0);
    PEAK.set(0);
    let result = read(file, size);
    if let Err(error) = &result {
        assert!(error.to_string().len() < 1000, "{error}");
    }
    (result.is_ok(), PEAK.get())
}

/// A file of this header.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut file = u64::try_from(header.len()).unwrap().to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(vec![0; data]);
    file
}

fn document(params: &str, slots: &str) -> String {
    format!(
        r#"{{"format": 1, "writer": "", "class": "MLPRegressor", "params": {{{params}}},
            "fitted": {{"out_activation_": "identity", "n_iter_": 1, "t_": 1}},
            "optimizer": {{"name": "adam", "hyperparameters": {{}}, "learning_rate_init": 0.1, "learning_rate": 0.1,
                           "schedule": "constant", "power_t": 0.5, "t": 1, "slots": {slots}}}}}"#
    )
}

/// A model of `layers` layers of one neuron each.
fn chain(layers: usize, params: &str, optimizer: bool) -> Result<Vec<u8>, FormatError> {
    let prefixes: &[&str] = if optimizer { &["", "optimizer.m.", "optimizer.v."] } else { &[""] };
    let names: Vec<_> = (0..layers)
        .flat_map(|l| {
            prefixes.iter().flat_map(move |prefix| {
                [
                    (format!("{prefix}coefs_.{l}"), &[1u64, 1][..]),
                    (format!("{prefix}intercepts_.{l}"), &[1u64][..]),
                ]
            })
        })
        .collect();
    let arrays: Vec<_> = names
        .iter()
        .map(|(name, shape)| Array { name, dtype: Dtype::F32, shape, data: &[0; 4] })
        .collect();
    let slots = if optimizer { r#"["m", "v"]"# } else { "null" };
    let (mut bytes, order) = format::head(&document(params, slots), &arrays)?;
    order.into_iter().for_each(|i| bytes.extend(arrays[i].data));
    Ok(bytes)
}

#[test]
fn files_made_to_unfold_do_not() {
    let many = |item: &str, count: usize| vec![item; count].join(",");
    let huge = 1u64 << 40;
    let named = |shape: &str, to: u64| {
        format!(r#"{{"coefs_.0":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{to}]}}}}"#)
    };
    let keys: Vec<_> = (0..50_000).map(|i| format!(r#""{i}":"""#)).collect();
    let tensors: Vec<_> = (0..20_000)
        .map(|i| format!(r#""{i}":{{"dtype":"U8","shape":[1],"data_offsets":[{i},{}]}}"#, i + 1))
        .collect();
    let bombs = [
        ("nothing", vec![]),
        ("zeros", vec![0; 1 << 20]),
        ("ones", vec![255; 1 << 20]),
        ("metadata", file(&format!(r#"{{"__metadata__":{{{}}}}}"#, keys.join(",")), 0)),
        ("dimensions", file(&named(&format!("[{}]", many("0", 400_000)), 0), 0)),
        ("arrays", file(&format!("{{{}}}", tensors.join(",")), 20_000)),
        ("many data", file(&named(&format!("[{huge}]"), huge * 4), 100)),
        ("overflow", file(&named("[4294967296, 4294967296]", 0), 100)),
        ("long number", file(&named(&format!("[0.{}]", "1".repeat(1 << 20)), 0), 0)),
        ("long digits", file(&named(&format!("[{}]", "1".repeat(1 << 20)), 0), 0)),
        ("long name", file(&format!(r#"{{"{}":0}}"#, "a".repeat(1 << 20)), 0)),
        ("long dtype", file(&named("[0]", 0).replace("F32", &"a".repeat(1 << 20)), 0)),
        ("long field", file(&named("[0]", 0).replace("shape", &"a".repeat(1 << 20)), 0)),
        ("escapes", file(&format!(r#"{{"{}":0}}"#, r"\u0041".repeat(200_000)), 0)),
        ("depth", file(&"[".repeat(1 << 20), 0)),
        ("depth of keys", file(&r#"{"a":"#.repeat(1 << 18), 0)),
        ("depth of a shape", file(&named(&"[".repeat(1 << 20), 0), 0)),
        ("open string", file(&format!("{{\"{}", "a".repeat(1 << 20)), 0)),
        ("long text", chain(1, &format!(r#""a": "{}""#, "a".repeat(31 << 10)), false).unwrap()),
        ("no JSON", file(&"a".repeat(1 << 20), 0)),
        ("deep net", chain(3000, "", false).unwrap()),
        ("deep net, Adam", chain(3000, "", true).unwrap()),
        (
            "long list",
            chain(1, &format!(r#""hidden_layer_sizes": [{}]"#, many("1", 1024)), false).unwrap(),
        ),
    ];
    for (what, file) in bombs {
        let size = u64::try_from(file.len()).unwrap();
        let (valid, peak) = peak(&file, size);
        let good = ["deep net", "deep net, Adam", "long list", "long text"];
        assert_eq!(valid, good.contains(&what), "{what}");
        assert!(peak <= 2 * file.len() + SLACK, "{what}: {peak} of {}", file.len());
        println!("{what}: {peak} bytes for a file of {}", file.len());
    }
}

#[test]
fn documents_that_are_too_large_are_refused() {
    let parameter = |name: usize| format!(r#""p{name}": null"#);
    for params in [
        format!(r#""a": [{}]"#, ["0"; 1025].join(",")),
        (0..129).map(parameter).collect::<Vec<_>>().join(","),
        format!(r#""a": "{}""#, "a".repeat(33 << 10)),
    ] {
        assert!(matches!(chain(1, &params, false), Err(FormatError::Invalid(_))));
    }
}

/// A caller who is wrong about the size gets an error, not the memory.
#[test]
fn a_wrong_size_does_no_harm() {
    let file = chain(2, "", true).unwrap();
    let right = u64::try_from(file.len()).unwrap();
    for size in [0, 7, 8, right - 1, right + 1, u64::MAX] {
        let (valid, peak) = peak(&file, size);
        assert!(!valid && peak < 2 * file.len() + SLACK, "{size}: {peak}");
    }
}

#[test]
fn changed_files_take_no_more_than_twice_their_size() {
    let files: usize = std::env::var("FORMAT_FILES").map_or(20_000, |n| n.parse().unwrap());
    // Marsaglia's xorshift64.
    let mut state = 88_172_645_463_325_252u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 11).unwrap() % below
    };
    let originals = [
        chain(1, "", false).unwrap(),
        chain(3, r#""hidden_layer_sizes": {"tuple": [1, 1]}"#, true).unwrap(),
        chain(40, "", true).unwrap(),
    ];
    let (mut accepted, mut most) = (0, 0);
    for _ in 0..files {
        let mut changed = originals[random(originals.len())].clone();
        for _ in 0..=random(4) {
            let at = random(changed.len());
            match random(6) {
                0 => changed[at] ^= 1 << random(8),
                1 => changed[at] = u8::try_from(random(256)).unwrap(),
                2 => changed[at] = b"0123456789{}[]\",:-."[random(19)],
                3 => changed.insert(at, changed[random(changed.len())]),
                4 => drop(changed.remove(at)),
                _ => {
                    // A piece of the file over another.
                    let len = random(30).min(changed.len() - at);
                    let from = random(changed.len() - len);
                    changed.copy_within(from..from + len, at);
                }
            }
        }
        let (valid, peak) = peak(&changed, u64::try_from(changed.len()).unwrap());
        assert!(peak <= 2 * changed.len() + SLACK, "{peak} of {}", changed.len());
        accepted += usize::from(valid);
        most = most.max(peak.saturating_sub(2 * changed.len()));
    }
    assert!(accepted > 0 && accepted < files / 2, "{accepted}");
    println!("{files} files, {accepted} valid, at most {most} bytes beyond twice the file");
}
