//! The page of `crutils inspect --html`, in a browser.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Scratch, crutils, rich, say, sh, shown};

/// A browser without a screen, which is spoken to in Chromium's protocol: JSON, each message with a NUL behind it.
struct Browser {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: u64,
    session: String,
}

impl Browser {
    /// Opens the page; nothing, with a line that says why, if there is no browser.
    fn open(page: &Path, scratch: &Path) -> Option<Self> {
        let there = Command::new("chromium").arg("--version").output();
        if !there.is_ok_and(|output| output.status.success()) {
            say(format_args!("skipped: page: there is no chromium"));
            return None;
        }
        let line = format!(
            "exec chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
             --disable-background-networking --disable-component-update --disable-sync \
             --remote-debugging-pipe '--user-data-dir={}' about:blank 3<&0 4>&1 2>/dev/null",
            scratch.join("profile").display()
        );
        let mut command = Command::new("sh");
        command
            .args(["-c", &line])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut browser = Browser {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
            next: 0,
            session: String::new(),
        };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attached = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", &attached);
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        browser.call("Page.enable", &json!({}));
        browser.send(
            "Page.navigate",
            &json!({ "url": format!("file://{}", page.display()) }),
        );
        browser.wait(|message| message["method"] == "Page.loadEventFired");
        Some(browser)
    }

    fn send(&mut self, method: &str, parameters: &Value) -> u64 {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes).unwrap();
        self.next
    }

    fn wait(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let mut bytes = Vec::new();
            self.output.read_until(0, &mut bytes).unwrap();
            assert!(!bytes.is_empty(), "the browser has ended");
            bytes.pop();
            let message: Value = serde_json::from_slice(&bytes).unwrap();
            if wanted(&message) {
                return message;
            }
        }
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        let id = self.send(method, parameters);
        let mut answer = self.wait(|message| message["id"] == id);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }

    /// What an expression in the page's own world comes to.
    fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", &parameters);
        assert!(answer["exceptionDetails"].is_null(), "{answer}");
        answer["result"]["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has the command write its page of a checkpoint.
fn write_page(checkpoint: &Path, page: &Path) {
    let mut command = crutils();
    command.args(["inspect", "--env", "--html"]);
    shown(command.args([page, checkpoint]));
}

#[test]
fn the_page_is_drawn_and_its_tables_are_sorted() {
    let scratch = Scratch::new();
    let page = scratch.join("page.html");
    write_page(Path::new(&rich()), &page);
    let Some(mut browser) = Browser::open(&page, scratch.path()) else {
        return;
    };
    assert_eq!(browser.evaluate("document.title"), "rich: a checkpoint");
    let tree = browser.evaluate("document.querySelector('#tree').textContent");
    assert!(tree.as_str().unwrap().contains("└─ 44 sleep 1"), "{tree}");
    // The page's style is allowed by its own policy.
    let align = "getComputedStyle(document.querySelector('td.n')).textAlign";
    assert_eq!(browser.evaluate(align), "right");
    // A rectangle for each process, and for each of their mappings with pages.
    let frames = browser.evaluate("document.querySelectorAll('#treemap rect.frame').length");
    assert_eq!(frames, 2);
    let inner = "document.querySelectorAll('#treemap rect:not(.frame)').length";
    assert_eq!(browser.evaluate(inner), 14);
    let wide = "document.querySelector('#treemap').getBoundingClientRect().width > 300";
    assert_eq!(browser.evaluate(wide), true);
    // Pressing a heading sorts by it, and once more the other way round: as numbers, not as texts.
    let press = |name: &str| {
        format!(
            "(() => {{ const all = [...document.querySelectorAll('th button')];
             all.find((one) => one.textContent === '{name}').click(); }})()"
        )
    };
    let names = "[...document.querySelectorAll('table')[0].tBodies[0].rows].map((row) => row.cells[0].textContent)";
    browser.evaluate(&press("Size"));
    let up = browser.evaluate(names);
    assert_eq!((&up[0], &up[6]), (&"logs".into(), &"rootfs diff".into()));
    browser.evaluate(&press("Size"));
    let down = browser.evaluate(names);
    assert_eq!(
        (&down[0], &down[1]),
        (&"rootfs diff".into(), &"memory pages".into())
    );
    let sorted = "document.querySelectorAll('th[aria-sort=descending]').length";
    assert_eq!(browser.evaluate(sorted), 1);
    // Nothing comes from elsewhere.
    assert_eq!(
        browser.evaluate("performance.getEntriesByType('resource').length"),
        0
    );
    let narrow = json!({ "width": 380, "height": 800, "deviceScaleFactor": 1, "mobile": false });
    browser.call("Emulation.setDeviceMetricsOverride", &narrow);
    let fits = "document.documentElement.scrollWidth <= 380";
    assert_eq!(browser.evaluate(fits), true, "the page scrolls sideways");
}

/// Puts other bytes of the same length into a file.
fn replace(path: &Path, from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(path).unwrap();
    let mut count = 0;
    for at in 0..=bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + from.len()].copy_from_slice(to);
            count += 1;
        }
    }
    assert!(count > 0, "{}", path.display());
    fs::write(path, bytes).unwrap();
}

/// A container's name that would be a script, if it were taken for HTML.
const NAME: &str = "</title><script>window.pwned=1</script><img src=x onerror=window.pwned=2>";

/// A bundle whose names, paths and memory are HTML.
fn hostile_bundle(scratch: &Path) -> PathBuf {
    let bundle = scratch.join("bundle");
    fs::create_dir(&bundle).unwrap();
    sh(&bundle, &format!("tar --no-same-owner -xf {}", rich()));
    let images = bundle.join("checkpoint");
    replace(&images.join("core-44.img"), b"sleep", b"</b>'");
    replace(&images.join("files.img"), b"/bin/busybox", b"<script>x()<");
    replace(
        &images.join("utsns-12.img"),
        b"601fef5fe841",
        b"\"><img src=x",
    );
    replace(
        &images.join("mountpoints-13.img"),
        b"/etc/hostname",
        b"<svg onload=x",
    );
    replace(&images.join("pages-2.img"), b"TERM=xterm", b"</pre><b>!");
    let config = fs::read_to_string(bundle.join("config.dump")).unwrap();
    let config = config.replacen("\"rich\"", &format!("\"{NAME}\""), 1);
    assert!(config.contains("pwned"));
    fs::write(bundle.join("config.dump"), config).unwrap();
    bundle
}

#[test]
fn what_a_checkpoint_says_is_no_part_of_the_page() {
    let scratch = Scratch::new();
    let bundle = hostile_bundle(scratch.path());
    let page = scratch.join("page.html");
    write_page(&bundle, &page);
    let Some(mut browser) = Browser::open(&page, scratch.path()) else {
        return;
    };
    assert_eq!(
        browser.evaluate("document.title"),
        format!("{NAME}: a checkpoint")
    );
    assert_eq!(browser.evaluate("typeof window.pwned"), "undefined");
    assert_eq!(
        browser.evaluate("document.querySelectorAll('script').length"),
        1
    );
    assert_eq!(
        browser.evaluate("document.querySelectorAll('img, b').length"),
        0
    );
    let handlers = "[...document.querySelectorAll('*')].filter((one) => [...one.attributes].some((own) => own.name.startsWith('on'))).length";
    assert_eq!(browser.evaluate(handlers), 0);
    let body = browser.evaluate("document.body.textContent");
    let body = body.as_str().unwrap();
    for text in [
        "</b>'",
        "<script>x()<",
        "\"><img src=x",
        "<svg onload=x",
        "</pre><b>!",
    ] {
        assert!(body.contains(text), "{text} isn't shown");
    }
    // Even a script that came in would not run.
    let inject = "(() => { const own = document.createElement('script'); own.textContent = 'window.pwned = 3';
         document.body.append(own); return typeof window.pwned; })()";
    assert_eq!(browser.evaluate(inject), "undefined");
}
