//! The conversions of what C passes.

use std::ptr;

use super::*;
use crate::error::Kind;

#[test]
fn null_is_an_argument_error_that_names_the_argument() {
    let message = |error: Error| {
        assert_eq!(error.kind(), Kind::Argument);
        error.to_string()
    };
    let text = Text(ptr::null());
    assert_eq!(
        message(text.c_str("archive").unwrap_err()),
        "archive: must not be NULL"
    );
    let object = Object::<u8>(ptr::null());
    assert_eq!(
        message(object.get("import").unwrap_err()),
        "import: must not be NULL"
    );
    let out = Out::<u8>(ptr::null_mut());
    assert_eq!(
        message(out.check("runtime").unwrap_err()),
        "runtime: must not be NULL"
    );
    let array = Array::<u64>(ptr::null());
    assert_eq!(
        message(array.slice(1, "changes").unwrap_err()),
        "changes: must not be NULL"
    );
    let texts = [Text(c"a".as_ptr()), Text(ptr::null())];
    let texts = Array(texts.as_ptr());
    assert_eq!(
        message(texts.os_strs(2, "names").unwrap_err()),
        "names[1]: must not be NULL"
    );
}

#[test]
fn a_path_may_be_any_bytes() {
    let text = Text(c"/a\xff\nb".as_ptr());
    let path = text.path("archive").unwrap();
    assert_eq!(path.as_os_str().as_bytes(), b"/a\xff\nb");
    assert_eq!(text.str("key").unwrap_err().kind(), Kind::Argument);
}

#[test]
fn a_place_has_a_descriptor_or_starts_at_the_working_directory() {
    let text = Text(c"x".as_ptr());
    for at in [libc::AT_FDCWD, 0] {
        assert!(text.place(At(at), "root").is_ok());
    }
    for at in [-1, -2, c_int::MIN] {
        let error = text.place(At(at), "root").unwrap_err();
        assert_eq!(
            error.to_string(),
            "root: its descriptor is negative and not AT_FDCWD"
        );
    }
    let none = OptionalText(ptr::null());
    assert!(none.place(At(-1), "old_directory").unwrap().is_none());
}

#[test]
fn an_array_without_elements_may_be_null() {
    let array = Array::<u64>(ptr::null());
    assert_eq!(array.slice(0, "changes").unwrap(), &[] as &[u64]);
}

#[test]
fn a_length_that_no_array_has_is_refused() {
    let one = [7_u64];
    let array = Array(one.as_ptr());
    for len in [usize::MAX, usize::MAX / 8, usize::MAX / 16 + 1] {
        let error = array.slice(len, "changes").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("changes_len: {len} elements don't fit into memory")
        );
    }
    assert_eq!(array.slice(1, "changes").unwrap(), &[7]);
}

#[test]
fn an_address_that_its_type_does_not_have_is_refused() {
    let mut two = [0_u64; 2];
    let odd = two.as_mut_ptr().wrapping_byte_add(1);
    let error = Array(odd.cast_const()).slice(1, "changes").unwrap_err();
    assert_eq!(error.kind(), Kind::Argument);
    let error = Out(odd).check("runtime").unwrap_err();
    assert_eq!(error.kind(), Kind::Argument);
}

#[test]
fn a_result_is_written_where_it_belongs() {
    let mut place = 0_u32;
    Out(&raw mut place).check("runtime").unwrap().write(5);
    assert_eq!(place, 5);
}

#[test]
fn no_option_is_an_argument_error_and_an_unknown_one_is_unsupported() {
    assert_eq!(unknown_option("CR_IMPORT_", 0).kind(), Kind::Argument);
    assert_eq!(unknown_option("CR_IMPORT_", 999).kind(), Kind::Unsupported);
}
