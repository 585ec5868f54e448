//! Floor 0: what the process may do on this system, and what the system has of its own to say.

#![forbid(unsafe_code)]

pub(crate) mod mounts;
pub(crate) mod selinux;
mod userns;

pub(crate) use userns::in_user_namespace;
