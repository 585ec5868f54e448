//! What all documents have in common.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::iter::FusedIterator;

use super::json::{self, Document, Members, Reader, Unreadable, Value, same_key};
use super::refusal::Refusal;
use crate::budget::ask_for;
use crate::checkpoint::MAX_CONFIG;

/// What is read from a document.
pub(super) trait DocumentContent: Default + Kept {
    /// Reads the document's outermost value.
    fn fill(&mut self, root: Value<'_>, reader: &mut Reader<'_>) -> Result<(), json::Refusal>;
}

/// What keeps the document that it was read from.
pub(super) trait Kept {
    fn keep(&mut self, document: Document);

    fn kept(&self) -> &Document;
}

/// Reads a document from a copy of its bytes.
pub(super) fn parse<T: DocumentContent>(json: &[u8]) -> Result<T, Refusal> {
    check_size(json)?;
    Ok(read(json.to_vec()).map_err(|unreadable| unreadable.why)?)
}

/// How much memory a document takes at most, in documents of that size: its bytes and the texts in it, which may be copied
/// once. Lists and maps have a limit of their own.
const FORMS: usize = 4;

/// Refuses a document that isn't to be held in memory, or can't be.
pub(super) fn check_size(json: &[u8]) -> Result<(), Refusal> {
    if json.len() as u64 > MAX_CONFIG {
        return Err(Refusal::TooLarge);
    }
    Ok(ask_for(json.len() * FORMS)?)
}

/// Reads a document. One that can't be read comes back as it was.
pub(super) fn read<T: DocumentContent>(bytes: Vec<u8>) -> Result<T, Unreadable> {
    let document = Document::new(bytes)?;
    let mut content = T::default();
    let filled = content.fill(document.root(), &mut document.reader());
    match filled {
        Ok(()) => {
            content.keep(document);
            Ok(content)
        }
        Err(why) => Err(Unreadable {
            bytes: document.into_original(),
            why,
        }),
    }
}

/// The members of a document's outermost object whose keys its type doesn't know: each key as a text, each value as it
/// stands in the document, in the document's order; one that stands there twice comes twice. Nothing is held in memory for
/// it. Where the document isn't UTF-8, values have U+FFFD too.
#[derive(Clone, Debug)]
pub struct Unknown<'d> {
    members: Members<'d>,
    known: &'static [&'static str],
}

impl<'d> Unknown<'d> {
    pub(super) fn of(document: &'d Document, known: &'static [&'static str]) -> Self {
        let members = document.root().members();
        Unknown { members, known }
    }
}

impl<'d> Iterator for Unknown<'d> {
    type Item = (Cow<'d, str>, &'d str);

    fn next(&mut self) -> Option<Self::Item> {
        self.members.by_ref().find_map(|(key, value)| {
            let key = key.string()?;
            let is_known = self.known.iter().any(|known| same_key(&key, known));
            (!is_known).then(|| (key, value.raw()))
        })
    }
}

impl FusedIterator for Unknown<'_> {}

/// Gives a type with a field `document` what every document has: `parse`, `original`, and `unknown` if its outermost value
/// is an object of these keys.
macro_rules! document {
    ($type:ident, $member:literal $(, $keys:expr)?) => {
        impl $type {
            #[doc = concat!("Reads the content of a `", $member, "`.")]
            ///
            /// It is read as engines read it, which matters where two readers must see the same: keys match without
            /// regard to case, the last of several wins, `null` stands for nothing, and unknown keys are passed over
            /// however deeply they nest. Bytes that are not UTF-8, each for itself, and lone surrogates become U+FFFD.
            ///
            /// # Errors
            ///
            /// [`Kind::Malformed`](crate::Kind::Malformed) for what isn't exactly one JSON value, and for a value of
            /// another type or form than its field; [`Kind::Limit`](crate::Kind::Limit) above 16 MiB or 250,000 strings
            /// in lists and maps (of larger things fewer). The message tells line and column, counting a byte that is not UTF-8 as three; it
            /// repeats nothing of the content.
            pub fn parse(json: &[u8]) -> crate::Result<Self> {
                Ok(super::document::parse(json)?)
            }

            /// The bytes that this was read from, as they came: with what no field has, and of a changed one without
            /// the change.
            #[must_use]
            pub fn original(&self) -> &[u8] {
                self.document.original()
            }

            $(
                /// What the document has besides the fields of this type.
                #[must_use]
                pub fn unknown(&self) -> super::Unknown<'_> {
                    super::Unknown::of(&self.document, $keys)
                }
            )?
        }

        impl super::document::Kept for $type {
            fn keep(&mut self, document: super::json::Document) {
                self.document = document;
            }

            fn kept(&self) -> &super::json::Document {
                &self.document
            }
        }
    };
}

pub(super) use document;
