//! What an inspection heeds.

use super::argument::{At, New, ObjectMut, Owned, Text, truth, unknown_option};
use super::guard::{self, Slot, Status};
use crate::checkpoint::InspectOptions;
use crate::error::Result;

/// Reads arguments and environments of processes, which lie in their memory: 0 or 1, which is the default.
pub const CR_INSPECT_TEXT: u32 = 1;
/// Limits how many bytes may come of one byte of a compressed archive, once they are more than 1 MiB. There is no limit by
/// default.
pub const CR_INSPECT_LIMIT_RATIO: u32 = 2;

/// What an inspection heeds.
#[derive(Debug, Default)]
pub struct CRInspectOptions(pub(super) InspectOptions);

fn set(options: &mut InspectOptions, option: u32, value: u64) -> Result<()> {
    match option {
        CR_INSPECT_TEXT => options.text(truth(value)?),
        CR_INSPECT_LIMIT_RATIO => options.max_ratio(value),
        _ => return Err(unknown_option("CR_INSPECT_", option)),
    };
    Ok(())
}

/// Makes options with the defaults. The caller frees them with CRInspectOptionsFree.
#[unsafe(no_mangle)]
pub extern "C" fn CRInspectOptionsNew() -> New<CRInspectOptions> {
    guard::value(New::none(), || Ok(New::of(CRInspectOptions::default())))
}

/// Frees options. Inspections that were made with them are not affected.
#[unsafe(no_mangle)]
pub extern "C" fn CRInspectOptionsFree(options: Owned<CRInspectOptions>) {
    guard::run(|| options.free());
}

/// Sets an option of an inspection.
///
/// @param option One of CR_INSPECT_*.
/// @param value The value, as the option's comment says.
///
/// Errors:
/// - EINVAL: the option is 0, or doesn't take this value.
/// - EOPNOTSUPP: this version of the library doesn't know the option.
#[unsafe(no_mangle)]
pub extern "C" fn CRInspectOptionsSet(
    mut options: ObjectMut<CRInspectOptions>,
    option: u32,
    value: u64,
    error: Slot,
) -> Status {
    guard::status(error, || set(&mut options.get("options")?.0, option, value))
}

/// Names the previous checkpoint, whose memory this one needs. Called again, it names the one before that. A
/// pre-checkpoint in the same archive or bundle needn't be named.
///
/// @param at, parent The previous checkpoint, as for CRInspectionOpen.
///
/// Errors:
/// - EMFILE: there is no descriptor left for a copy of at.
#[unsafe(no_mangle)]
pub extern "C" fn CRInspectOptionsParent(
    mut options: ObjectMut<CRInspectOptions>,
    at: At,
    parent: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let options = options.get("options")?;
        options.0.parent(parent.place(at, "parent")?).map(drop)
    })
}
