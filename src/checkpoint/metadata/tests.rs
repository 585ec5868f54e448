#![forbid(unsafe_code)]

use super::*;

fn parse(json: &str) -> ContainerConfig {
    ContainerConfig::parse(json.as_bytes()).unwrap()
}

/// The message of the refusal.
fn refused(json: &[u8]) -> String {
    let error = ContainerConfig::parse(json).expect_err(&String::from_utf8_lossy(json));
    assert_eq!(
        (error.kind(), error.errno()),
        (Kind::Malformed, libc::EBADMSG)
    );
    error.to_string()
}

#[test]
fn all_fields_are_read() {
    let config = parse(
        r#"{
  "id": "d0c2b1f0",
  "name": "web",
  "rootfsImage": "sha256:1234",
  "rootfsImageRef": "1234",
  "rootfsImageName": "registry.example/web:1",
  "runtime": "crun",
  "createdTime": "2026-05-11T09:08:07.5+02:00",
  "checkpointedTime": "2026-05-11T10:00:00Z",
  "restoredTime": "0001-01-01T00:00:00Z",
  "restored": true
}"#,
    );
    let expected = ContainerConfig {
        id: "d0c2b1f0".to_owned(),
        name: "web".to_owned(),
        rootfs_image: "sha256:1234".to_owned(),
        rootfs_image_ref: "1234".to_owned(),
        rootfs_image_name: "registry.example/web:1".to_owned(),
        runtime: "crun".to_owned(),
        created_time: "2026-05-11T09:08:07.5+02:00".to_owned(),
        checkpointed_time: "2026-05-11T10:00:00Z".to_owned(),
        restored_time: "0001-01-01T00:00:00Z".to_owned(),
        restored: true,
    };
    assert_eq!(config, expected);
}

#[test]
fn what_is_absent_or_null_keeps_its_zero_value() {
    let nothing = ContainerConfig::default();
    assert_eq!(nothing.runtime, "");
    assert_eq!(nothing.created_time, "0001-01-01T00:00:00Z");
    for json in [
        "{}",
        " \t\r\n{ } \n",
        "null",
        r#"{"runtime":null,"createdTime":null,"restored":null}"#,
    ] {
        assert_eq!(parse(json), nothing, "{json}");
    }
}

#[test]
fn null_leaves_what_an_earlier_key_set() {
    let config = parse(r#"{"runtime":"runc","restored":true,"runtime":null,"restored":null}"#);
    assert_eq!((config.runtime.as_str(), config.restored), ("runc", true));
}

#[test]
fn keys_match_without_regard_to_case_and_the_last_wins() {
    assert_eq!(parse(r#"{"runtime":"a","RUNTIME":"b"}"#).runtime, "b");
    assert_eq!(parse(r#"{"RunTime":"b","runtime":"a"}"#).runtime, "a");
    assert!(parse("{\"re\u{17f}tored\":true}").restored);
    assert_eq!(parse(r#"{"\u0072untime":"a"}"#).runtime, "a");
    let time = "2026-05-11T09:08:07Z";
    assert_eq!(
        parse(&format!("{{\"chec\u{212a}pointedTime\":\"{time}\"}}")).checkpointed_time,
        time
    );
    assert_eq!(
        parse("{\"rünTime\":\"a\",\"runtimes\":\"a\",\"runtim\":\"a\",\"\":\"a\"}").runtime,
        ""
    );
}

#[test]
fn unknown_keys_are_passed_over() {
    let json = r#"{"spec":{"a":[1,-2.5e+300,1e999,true,null,"x\ud800"]},"runtime":"crun","lockID":7,"x":[]}"#;
    assert_eq!(parse(json).runtime, "crun");
}

#[test]
fn ten_thousand_levels_are_read_and_more_are_refused() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!("{{\"x\":{open}{close},\"y\":\"[[\\\"[{{\",\"runtime\":\"crun\"}}")
    };
    assert_eq!(parse(&nested(9_999)).runtime, "crun");
    for levels in [10_000, 1_000_000] {
        assert!(refused(nested(levels).as_bytes()).contains("nested deeper than 10000"));
    }
    assert!(refused("[{\"a\":".repeat(500_000).as_bytes()).contains("nested deeper"));
}

#[test]
fn what_is_not_unicode_becomes_replacement_characters() {
    let cases: [(&[u8], &str); 13] = [
        (b"a\xffb", "a\u{fffd}b"),
        (b"\xf0\x9f\x98", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
        (br"\ud800", "\u{fffd}"),
        (br"\udc00x", "\u{fffd}x"),
        (br"\uD83D\uDE00", "\u{1f600}"),
        (br"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}"),
        (br"\ude00\ud83d", "\u{fffd}\u{fffd}"),
        (br"\ud83d\n", "\u{fffd}\n"),
        (br"\ud83d\\ude00", "\u{fffd}\\ude00"),
        (br"\\ud800", "\\ud800"),
        ("é\\ud800é".as_bytes(), "é\u{fffd}é"),
        (br"\u0041\u00e9\ufffd", "Aé\u{fffd}"),
    ];
    for (value, expected) in cases {
        let json = [b"{\"runtime\":\"", value, b"\"}"].concat();
        assert_eq!(
            ContainerConfig::parse(&json).unwrap().runtime,
            expected,
            "{}",
            value.escape_ascii()
        );
        let json = [b"{\"x", value, b"\":\"", value, b"\",\"runtime\":\"crun\"}"].concat();
        assert_eq!(
            ContainerConfig::parse(&json).unwrap().runtime,
            "crun",
            "{}",
            value.escape_ascii()
        );
    }
}

#[test]
fn a_nul_stays_in_the_value() {
    assert_eq!(parse(r#"{"runtime":"a\u0000b"}"#).runtime, "a\0b");
}

#[test]
fn what_is_not_one_json_object_is_refused() {
    let texts: [&[u8]; 25] = [
        b"",
        b" \n",
        b"{",
        b"{\"runtime\":\"crun\"",
        b"{\"runtime\":\"crun",
        b"{}x",
        b"{}{}",
        b"{},",
        b"null null",
        b"nul",
        b"\xef\xbb\xbf{}",
        b"[]",
        b"\"crun\"",
        b"1",
        b"true",
        b"{\"a\":1,}",
        b"{'a':1}",
        b"{\"a\":01}",
        b"{\"a\":\"\x01\"}",
        b"{\"a\":\"\n\"}",
        b"{\"runtime\":\"a\tb\"}",
        b"{\"a\":\"\\x\"}",
        b"{\"a\":\"\\ud8\"}",
        b"{\"a\":\"\\ud800\\u12\"}",
        b"{\\ud800}",
    ];
    for text in texts {
        refused(text);
    }
}

#[test]
fn a_value_of_the_wrong_type_is_refused_and_named() {
    for (field, value) in [
        ("id", "1"),
        ("name", "[]"),
        ("rootfsImage", "{}"),
        ("rootfsImageRef", "true"),
        ("rootfsImageName", "1.5"),
        ("runtime", "false"),
        ("createdTime", "5"),
        ("checkpointedTime", "\"\""),
        ("restoredTime", "\"2026-05-11 09:08:07Z\""),
        ("restored", "\"true\""),
    ] {
        let message = refused(format!("{{\"x\":1,\"{field}\":{value}}}").as_bytes());
        assert!(
            message.starts_with(&format!(
                "{field}: a value of the wrong type or form (line 1, column "
            )),
            "{message}"
        );
    }
}

#[test]
fn a_message_tells_the_place_and_nothing_of_the_content() {
    assert_eq!(
        refused(b"{\n  \"id\": \"secret\",\n  \"x\": secret\n}"),
        "not JSON (line 3, column 8)"
    );
    assert_eq!(
        refused(b"\"secret\""),
        "not a JSON object (line 1, column 8)"
    );
    assert!(!refused(b"{\"restored\":\"secret\"}").contains("secret"));
    assert!(!refused(b"{\"createdTime\":\"secret\"}").contains("secret"));
}
