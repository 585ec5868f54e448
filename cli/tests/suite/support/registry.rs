//! A registry of the test's own.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::say;

/// A registry on the loopback interface, which ends with the test.
pub(crate) struct Registry(Child, u16);

impl Registry {
    /// Where it answers.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.1)
    }

    /// Starts it with its store in a directory; none, with a line that says so, if it isn't installed.
    pub(crate) fn start(directory: &Path) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let store = directory.join("registry");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            store.display()
        );
        fs::write(directory.join("registry.yml"), text).unwrap();
        let mut command = Command::new("docker-registry");
        command
            .current_dir(directory)
            .args(["serve", "registry.yml"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut registry = match child {
            Ok(child) => Registry(child, port),
            Err(error) => {
                say(format_args!("skipped: docker-registry: {error}"));
                return None;
            }
        };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                registry.0.try_wait().unwrap().is_none(),
                "the registry ended"
            );
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the registry doesn't answer"
            );
            thread::yield_now();
        }
        Some(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
