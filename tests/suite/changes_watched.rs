//! Looking for changes can be ended early.

use crate::changes::{ended, write};
use crate::changes_directories::Two;

#[test]
fn a_cancellation_and_a_deadline_end_both_detectors() {
    let two = Two::of(|root| {
        for number in 0..20 {
            write(root, &format!("d{number}/f"), "x");
        }
    });
    for (deadline, errno) in [(None, libc::ECANCELED), (Some(0), libc::ETIMEDOUT)] {
        for failure in ended(&two.new, &two.old, deadline) {
            assert_eq!(failure.errno, errno, "{failure:?}");
        }
    }
}
