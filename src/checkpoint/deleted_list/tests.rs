#![forbid(unsafe_code)]

use super::*;
use crate::Error;
use crate::fs::testing::Random;

fn encoded(paths: &[&[u8]]) -> Vec<u8> {
    encode(paths.iter().copied()).unwrap()
}

fn parse(json: &[u8]) -> Result<Vec<Vec<u8>>> {
    let paths = super::parse(json.to_vec())?;
    Ok(paths.iter().map(<[u8]>::to_vec).collect())
}

fn refused(json: &[u8]) -> Error {
    parse(json).expect_err(&json.escape_ascii().to_string())
}

#[test]
fn a_list_is_written_with_two_spaces_and_no_newline_at_the_end() {
    assert_eq!(encoded(&[]), b"[]");
    assert_eq!(encoded(&[b"/a"]), b"[\n  \"/a\"\n]");
    assert_eq!(
        encoded(&[b"/b", b"/a", b"/b"]),
        b"[\n  \"/b\",\n  \"/a\",\n  \"/b\"\n]"
    );
}

#[test]
fn characters_are_escaped_as_engines_do() {
    let cases: [(&[u8], &[u8]); 10] = [
        (b"\"\\/", br#"\"\\/"#),
        (b"\n\r\t\x08\x0c", br"\n\r\t\b\f"),
        (b"\x01\x0b\x1b\x1f", br"\u0001\u000b\u001b\u001f"),
        (b"<a>&'", br"\u003ca\u003e\u0026'"),
        (
            "\u{2027}\u{2028}\u{2029}\u{202a}".as_bytes(),
            "\u{2027}\\u2028\\u2029\u{202a}".as_bytes(),
        ),
        (
            "\x7f\u{80}é\u{fffd}\u{1f600}".as_bytes(),
            "\x7f\u{80}é\u{fffd}\u{1f600}".as_bytes(),
        ),
        (b"a\xffb\xc3", b"a\xffb\xc3"),
        (b"\xe2\x80<\xa8", b"\xe2\x80\\u003c\xa8"),
        (b"\xed\xa0\x80", b"\xed\xa0\x80"),
        (b"", b""),
    ];
    for (path, expected) in cases {
        let json = [b"[\n  \"", expected, b"\"\n]"].concat();
        assert_eq!(encoded(&[path]), json, "{}", path.escape_ascii());
        assert_eq!(parse(&json).unwrap(), [path]);
    }
}

#[test]
fn any_json_spelling_of_a_list_is_read() {
    let cases: [(&[u8], &[&[u8]]); 16] = [
        (b"[]", &[]),
        (b" \t\r\n[ \n] ", &[]),
        (b"null", &[]),
        (b"\nnull\n", &[]),
        (b"[null]", &[b""]),
        (b"[\"\"]", &[b""]),
        (b"[ \"/a\" ,\n\"/b\",null ]", &[b"/a", b"/b", b""]),
        (br#"["\/\u002fA\u00e9\u20AC"]"#, &["//Aé€".as_bytes()]),
        (br#"["\b\f\n\r\t\"\\"]"#, &[b"\x08\x0c\n\r\t\"\\"]),
        (
            br#"["\ud83d\ude00\uD83D\uDE00"]"#,
            &["\u{1f600}\u{1f600}".as_bytes()],
        ),
        (br#"["\ud83d"]"#, &["\u{fffd}".as_bytes()]),
        (br#"["\ude00\ud83d\n"]"#, &["\u{fffd}\u{fffd}\n".as_bytes()]),
        (
            br#"["\ud83d\ud83d\ude00"]"#,
            &["\u{fffd}\u{1f600}".as_bytes()],
        ),
        (br#"["\ud83d\u0041"]"#, &["\u{fffd}A".as_bytes()]),
        (b"[\"/\xff\xfe\"]", &[b"/\xff\xfe"]),
        (b"[\"\x7f\"]", &[b"\x7f"]),
    ];
    for (json, expected) in cases {
        assert_eq!(parse(json).unwrap(), expected, "{}", json.escape_ascii());
    }
}

#[test]
fn what_is_no_list_of_paths_is_refused() {
    let texts: [&[u8]; 44] = [
        b"",
        b" ",
        b"\xef\xbb\xbf[]",
        b"[",
        b"[ ",
        b"]",
        b"[\"/a\"",
        b"[\"/a",
        b"[\"/a\",",
        b"[\"/a\",]",
        b"[,]",
        b"[\"/a\" \"/b\"]",
        b"[]]",
        b"[] []",
        b"[]x",
        b"null x",
        b"nul",
        b"nulx",
        b"Null",
        b"[nul]",
        b"[n]",
        b"{}",
        b"{\"a\":\"/a\"}",
        b"\"/a\"",
        b"1",
        b"true",
        b"false",
        b"-1",
        b"[1]",
        b"[true]",
        b"[[]]",
        b"[{}]",
        b"['/a']",
        b"[/a]",
        b"[\"\n\"]",
        b"[\"\x00\"]",
        b"[\"\x1f\"]",
        br#"["\x"]"#,
        br#"["\u12"]"#,
        br#"["\u12g4"]"#,
        br#"["\u+123"]"#,
        br#"["\ud83d\u"]"#,
        b"[\"\\",
        b"\x00",
    ];
    for text in texts {
        let error = refused(text);
        assert_eq!(
            (error.kind(), error.errno()),
            (Kind::Malformed, libc::EBADMSG),
            "{}",
            text.escape_ascii()
        );
    }
}

#[test]
fn a_nul_in_a_path_is_refused() {
    let error = refused(br#"["/a", "/etc\u0000x"]"#);
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (Kind::Malformed, "a NUL in the path at byte 7")
    );
}

#[test]
fn a_message_tells_the_place_and_nothing_of_the_content() {
    assert_eq!(
        refused(b"[\"/a\", secret]").to_string(),
        "not JSON at byte 7"
    );
    assert_eq!(
        refused(b"{\"secret\":1}").to_string(),
        "not an array of strings at byte 0"
    );
    assert_eq!(
        refused(b"[\"secret").to_string(),
        "the JSON text ends early, at byte 8"
    );
}

#[test]
fn four_million_paths_are_read_and_one_more_is_refused() {
    let mut json = b"[null".to_vec();
    json.extend(b",null".repeat(3_999_999));
    let closed = [&json[..], b"]"].concat();
    assert_eq!(parse(&closed).unwrap().len(), 4_000_000);
    json.extend(b",null]");
    let error = refused(&json);
    assert_eq!((error.kind(), error.errno()), (Kind::Limit, libc::E2BIG));
}

#[test]
fn a_list_cut_anywhere_is_refused() {
    let json = encoded(&["/é\n".as_bytes(), b"/\xff", b"<"]);
    for cut in 0..json.len() {
        assert_eq!(refused(&json[..cut]).kind(), Kind::Malformed, "at {cut}");
    }
}

#[test]
fn what_is_written_is_read_back_exactly() {
    let mut random = Random::unseen("deleted.files");
    let mut next = move || random.below(1 << 31);
    // What UTF-8, JSON and the escapes are made of is drawn more often than other bytes.
    let pieces: [&[u8]; 14] = [
        b"\"",
        b"\\",
        b"\\u",
        b"d83d",
        b"\xe2\x80\xa8",
        b"\xe2\x80",
        b"\xa9",
        b"\xf0\x9f",
        b"\x98\x80",
        b"\xed\xa0\x80",
        b"<",
        b"\n",
        b"\x7f",
        b"null",
    ];
    for _ in 0..5_000 {
        let mut paths = Vec::new();
        for _ in 0..next() % 4 {
            let mut path = Vec::new();
            for _ in 0..next() % 9 {
                match pieces.get(next() % 20) {
                    Some(piece) => path.extend_from_slice(piece),
                    None => path.push(u8::try_from(1 + next() % 255).unwrap()),
                }
            }
            paths.push(path);
        }
        let json = encode(paths.iter().map(Vec::as_slice)).unwrap();
        assert_eq!(parse(&json).unwrap(), paths, "{}", json.escape_ascii());
        let as_others_see_it: Vec<String> =
            serde_json::from_str(&String::from_utf8_lossy(&json)).unwrap();
        let lossy = paths
            .iter()
            .map(|path| String::from_utf8_lossy(path).into_owned());
        assert!(
            as_others_see_it.into_iter().eq(lossy),
            "{}",
            json.escape_ascii()
        );
    }
}
