//! Several files in one input: a name, a NUL, two bytes of length, the content, and so on.

/// What the input holds. Names become names of files: pieces whose name isn't fit for one are left out.
pub fn of(data: &[u8]) -> Vec<(String, &[u8])> {
    let mut found = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.iter().position(|byte| *byte == 0) {
        let (name, after) = (&rest[..at], &rest[at + 1..]);
        let [low, high, after @ ..] = after else {
            break;
        };
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (content, following) = after.split_at(len);
        if is_name(name) {
            found.push((String::from_utf8_lossy(name).into_owned(), content));
        }
        rest = following;
    }
    found
}

fn is_name(name: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !name.is_empty() && name.len() < 100 && name[0] != b'.' && name.iter().all(fits)
}

/// The input that holds one such file; a content is cut at the length that fits.
pub fn one(name: &str, content: &[u8]) -> Vec<u8> {
    let content = &content[..content.len().min(usize::from(u16::MAX))];
    let length = u16::try_from(content.len()).unwrap_or_default();
    [name.as_bytes(), &[0], &length.to_le_bytes(), content].concat()
}
