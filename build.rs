//! Tells the linker what the shared library is called.

#![forbid(unsafe_code)]

/// Counts the breaks of the ABI, and is a number of its own: versions of the crate come and go without one.
const SONAME: &str = "libcrutils.so.0";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{SONAME}");
}
