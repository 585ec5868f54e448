//! Comparisons as JSON documents: through both doors, against their schema.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one argument holds for all of them"
)]

use std::ffi::{CStr, c_char, c_int};
use std::fs;
use std::path::Path;
use std::ptr;

use crutils::checkpoint::Inspection;
use libc::AT_FDCWD;
use serde_json::{Value, json};

use crate::inspect::{inspect, pages};
use crate::inspect_json::check;
use crate::support::api::{ARGUMENT, Outcome};
use crate::support::door_c::{Error, Opaque, call};
use crate::support::os::c_path;
use crate::support::sandbox::Sandbox;
use crate::support::stage::archives;

#[rustfmt::skip]
unsafe extern "C" {
    fn CRInspectionOpen(at: c_int, checkpoint: *const c_char, options: *const Opaque, watch: *const Opaque, inspection: *mut *mut Opaque, error: Error) -> c_int;
    fn CRInspectionFree(inspection: *mut Opaque);
    fn CRInspectionCompare(before: *mut Opaque, after: *mut Opaque, json: *mut *mut c_char, error: Error) -> c_int;
    fn CRStringFree(string: *mut c_char);
}

/// An inspection of the C door.
struct Inspected(*mut Opaque);

impl Inspected {
    fn open(path: &Path) -> Self {
        let (path, mut inspection) = (c_path(path), ptr::null_mut());
        let out = &raw mut inspection;
        // SAFETY: all arguments live during the call.
        let open = |error| unsafe {
            CRInspectionOpen(
                AT_FDCWD,
                path.as_ptr(),
                ptr::null(),
                ptr::null(),
                out,
                error,
            )
        };
        call(open).unwrap();
        Inspected(inspection)
    }

    fn compare(&self, after: *mut Opaque) -> Outcome<Value> {
        let mut text = ptr::null_mut();
        // SAFETY: both inspections live, and the text is freed once.
        unsafe {
            call(|error| CRInspectionCompare(self.0, after, &raw mut text, error))?;
            let document = serde_json::from_str(CStr::from_ptr(text).to_str().unwrap());
            CRStringFree(text);
            Ok(document.unwrap())
        }
    }
}

impl Drop for Inspected {
    fn drop(&mut self) {
        // SAFETY: it is this one's.
        unsafe { CRInspectionFree(self.0) };
    }
}

fn rust(before: &mut Inspection, after: &mut Inspection) -> Value {
    let comparison = before.compare(after).unwrap();
    serde_json::from_str(&comparison.to_json().unwrap()).unwrap()
}

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compare.schema.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn both_doors_tell_the_same_as_the_schema_says() {
    let schema = schema();
    let names = ["plain.withprev.tar.zst", "rich.tar.zst", "plain.tar.gz"];
    let paths = names.map(|name| archives().join(name));
    for before in &paths {
        for after in &paths {
            let document = rust(&mut inspect(before), &mut inspect(after));
            check(&document, &schema, &schema, "").unwrap();
            let (own, theirs) = (Inspected::open(before), Inspected::open(after));
            assert_eq!(own.compare(theirs.0).unwrap(), document);
        }
    }
}

#[test]
fn a_page_and_what_else_differs_is_in_the_document() {
    let sandbox = Sandbox::new();
    let (bundle, mut pages) = pages(&sandbox, 2);
    let before = Inspected::open(&archives().join("rich.tar.zst"));
    let same = before.compare(Inspected::open(&bundle).0).unwrap();
    pages[5 * 4096 + 17] ^= 1;
    fs::write(bundle.join("checkpoint/pages-2.img"), pages).unwrap();
    let document = before.compare(Inspected::open(&bundle).0).unwrap();
    assert_eq!(document["schema"], 1);
    for key in [
        "new_processes",
        "gone_processes",
        "new_sockets",
        "gone_sockets",
    ] {
        assert_eq!(document[key], json!([]), "{key}");
    }
    let memory = |same: u64, changed: u64| json!({ "same": same, "changed": changed, "new": 0, "gone": 0, "unknown": 0 });
    assert_eq!(same["processes"][1]["memory"], memory(65536, 0));
    assert_eq!(document["processes"][0]["memory"], memory(81920, 0));
    let sleep = &document["processes"][1];
    assert_eq!(
        (&sleep["pid"], &sleep["comm"]),
        (&json!(44), &json!("sleep"))
    );
    assert_eq!(sleep["memory"], memory(61440, 4096));
    let mappings = sleep["mappings"].as_array().unwrap();
    assert_eq!(mappings.len(), 1);
    assert_eq!(mappings[0]["memory"]["changed"], 4096);
}

#[test]
fn an_inspection_is_not_compared_with_itself() {
    let one = Inspected::open(&archives().join("rich.tar.zst"));
    let error = one.compare(one.0).unwrap_err();
    assert_eq!((error.errno, error.kind), (libc::EINVAL, ARGUMENT));
    let error = one.compare(ptr::null_mut()).unwrap_err();
    assert_eq!((error.errno, error.kind), (libc::EINVAL, ARGUMENT));
}

#[test]
fn every_key_of_the_schema_is_described() {
    crate::inspect_json::described(&schema());
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/inspect.md");
    let page = fs::read_to_string(page).unwrap();
    let part = page.split("# A comparison as JSON").nth(1).unwrap();
    for key in schema()["properties"].as_object().unwrap().keys() {
        assert!(
            part.contains(&format!("`{key}`")),
            "docs/inspect.md lacks {key}"
        );
    }
}
