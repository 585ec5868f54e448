//! Floor 0: a caller's descriptor that bytes go through in order: a pipe, a socket, a terminal or a file.

#![forbid(unsafe_code)]

mod channel;

pub(crate) use channel::Channel;
