//! Protobuf's wire format, and messages as tables of fields.

#![forbid(unsafe_code)]

use super::Refusal;
use crate::budget::{Growth, push};

/// How much memory what is decoded of all images of an input may take, in bytes. A process has some hundred mappings and
/// descriptors; a database with a terabyte of memory has a million page map entries.
const MAX_MEMORY: usize = 256 << 20;

/// How much more memory may be filled. It is asked for before it is.
pub(crate) struct Items {
    left: usize,
    growth: Growth,
}

impl Default for Items {
    fn default() -> Self {
        Self {
            left: MAX_MEMORY,
            growth: Growth::default(),
        }
    }
}

impl Items {
    #[cfg(test)]
    pub(super) fn up_to(bytes: usize) -> Self {
        Self {
            left: bytes,
            ..Self::default()
        }
    }

    /// Takes one more element into account.
    pub(super) fn take<T>(&mut self) -> Result<(), Refusal> {
        self.take_bytes(size_of::<T>())
    }

    fn take_bytes(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.left = self.left.checked_sub(bytes).ok_or(Refusal::TooMany)?;
        Ok(self.growth.by(bytes)?)
    }
}

/// The value of a field on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'b> {
    /// A number of variable length.
    Varint(u64),
    /// Eight or four bytes. No field that is decoded here has them.
    Fixed,
    /// A text, bytes, a message, or a packed list.
    Bytes(&'b [u8]),
}

impl<'b> Value<'b> {
    fn varint(self) -> Result<u64, Refusal> {
        match self {
            Value::Varint(number) => Ok(number),
            _ => Err(Refusal::FieldType),
        }
    }

    pub(super) fn bytes(self) -> Result<&'b [u8], Refusal> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(Refusal::FieldType),
        }
    }
}

/// The fields of a message, in the order of the wire.
pub(super) struct Fields<'b> {
    rest: &'b [u8],
}

impl<'b> Fields<'b> {
    pub(super) fn new(message: &'b [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field's number and value.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Value<'b>)>, Refusal> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| Refusal::Wire)?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.split(8).map(|_| Value::Fixed)?,
            2 => {
                let len = self.varint()?;
                Value::Bytes(self.split(len)?)
            }
            5 => self.split(4).map(|_| Value::Fixed)?,
            // Groups are out of use, and none of CRIU's messages has ever had one.
            _ => return Err(Refusal::Wire),
        };
        if number == 0 {
            return Err(Refusal::Wire);
        }
        Ok(Some((number, value)))
    }

    fn split(&mut self, len: u64) -> Result<&'b [u8], Refusal> {
        let len = usize::try_from(len).map_err(|_| Refusal::CutShort)?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Refusal::CutShort)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn varint(&mut self) -> Result<u64, Refusal> {
        let mut number = 0_u64;
        for shift in (0..70).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(Refusal::CutShort)?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return Err(Refusal::Varint);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Refusal::Varint)
    }
}

/// What a field's values are decoded to. Of several values of a single field the last one counts; those of messages are
/// merged, and those of lists added.
pub(super) trait Field: Default {
    /// Whether a list of them may be packed into one value.
    const PACKS: bool = false;

    fn take(&mut self, value: Value<'_>, items: &mut Items) -> Result<(), Refusal>;
}

impl Field for u64 {
    const PACKS: bool = true;

    fn take(&mut self, value: Value<'_>, _: &mut Items) -> Result<(), Refusal> {
        *self = value.varint()?;
        Ok(())
    }
}

impl Field for u32 {
    const PACKS: bool = true;

    /// The upper bits of a longer number are dropped, as protobuf asks for.
    #[allow(clippy::cast_possible_truncation, reason = "that is the rule")]
    fn take(&mut self, value: Value<'_>, _: &mut Items) -> Result<(), Refusal> {
        *self = value.varint()? as u32;
        Ok(())
    }
}

impl Field for i32 {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "negative numbers are sign-extended to 64 bits"
    )]
    fn take(&mut self, value: Value<'_>, _: &mut Items) -> Result<(), Refusal> {
        *self = value.varint()? as i32;
        Ok(())
    }
}

impl Field for i64 {
    #[allow(clippy::cast_possible_wrap, reason = "two's complement")]
    fn take(&mut self, value: Value<'_>, _: &mut Items) -> Result<(), Refusal> {
        *self = value.varint()? as i64;
        Ok(())
    }
}

impl Field for bool {
    fn take(&mut self, value: Value<'_>, _: &mut Items) -> Result<(), Refusal> {
        *self = value.varint()? != 0;
        Ok(())
    }
}

/// A signed number in zigzag coding (sint32, sint64).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Zigzag(pub(crate) i64);

impl Field for Zigzag {
    #[allow(clippy::cast_possible_wrap, reason = "that is the coding")]
    fn take(&mut self, value: Value<'_>, _: &mut Items) -> Result<(), Refusal> {
        let coded = value.varint()?;
        self.0 = (coded >> 1) as i64 ^ -((coded & 1) as i64);
        Ok(())
    }
}

/// A text or bytes: names are whatever bytes the kernel took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Field for Bytes {
    fn take(&mut self, value: Value<'_>, items: &mut Items) -> Result<(), Refusal> {
        let bytes = value.bytes()?;
        items.take_bytes(bytes.len())?;
        self.0 = bytes.to_vec();
        Ok(())
    }
}

/// What most messages of a kind lack costs them a pointer.
impl<T: Field> Field for Box<T> {
    fn take(&mut self, value: Value<'_>, items: &mut Items) -> Result<(), Refusal> {
        items.take::<T>()?;
        T::take(self, value, items)
    }
}

impl<T: Field> Field for Option<T> {
    fn take(&mut self, value: Value<'_>, items: &mut Items) -> Result<(), Refusal> {
        self.get_or_insert_default().take(value, items)
    }
}

impl<T: Field> Field for Vec<T> {
    fn take(&mut self, value: Value<'_>, items: &mut Items) -> Result<(), Refusal> {
        let mut add = |value| {
            items.take::<T>()?;
            let mut element = T::default();
            element.take(value, items)?;
            Ok(push(self, element)?)
        };
        match value {
            Value::Bytes(packed) if T::PACKS => {
                let mut numbers = Fields::new(packed);
                // Every turn takes a byte at least.
                while !numbers.rest.is_empty() {
                    add(Value::Varint(numbers.varint()?))?;
                }
                Ok(())
            }
            value => add(value),
        }
    }
}

/// A message that a table of fields describes.
pub(crate) trait Message: Default {
    /// Decodes a whole message.
    fn decode(bytes: &[u8], items: &mut Items) -> Result<Self, Refusal>;
}

/// Declares messages as tables: a field's number, its name and its type. What is unknown is skipped. The types nest
/// finitely, so that the depth of the decoder's stack is the tables', not the input's.
macro_rules! messages {
    ($(
        $(#[$about:meta])*
        $name:ident { $( $(#[$field_about:meta])* $number:literal $field:ident: $type:ty, )* }
    )*) => { $(
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub(crate) struct $name {
            $( $(#[$field_about])* pub(crate) $field: $type, )*
        }

        impl $crate::criu::wire::Field for $name {
            fn take(
                &mut self,
                value: $crate::criu::wire::Value<'_>,
                items: &mut $crate::criu::wire::Items,
            ) -> Result<(), $crate::criu::Refusal> {
                let mut fields = $crate::criu::wire::Fields::new(value.bytes()?);
                while let Some((number, value)) = fields.next()? {
                    match number {
                        $( $number => $crate::criu::wire::Field::take(&mut self.$field, value, items)?, )*
                        _ => {}
                    }
                }
                Ok(())
            }
        }

        impl $crate::criu::wire::Message for $name {
            fn decode(
                bytes: &[u8],
                items: &mut $crate::criu::wire::Items,
            ) -> Result<Self, $crate::criu::Refusal> {
                items.take::<Self>()?;
                let mut message = Self::default();
                let value = $crate::criu::wire::Value::Bytes(bytes);
                $crate::criu::wire::Field::take(&mut message, value, items)?;
                Ok(message)
            }
        }
    )* };
}

pub(super) use messages;
