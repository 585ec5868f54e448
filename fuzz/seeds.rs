//! Writes the seeds of each target into `DIRECTORY/TARGET`: seeds DATA DIRECTORY

use std::path::PathBuf;

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(data), Some(corpus)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: seeds DATA DIRECTORY");
        std::process::exit(2);
    };
    for (target, _) in crutils_fuzz::TARGETS {
        let directory = corpus.join(target);
        std::fs::create_dir_all(&directory).unwrap();
        for (name, bytes) in crutils_fuzz::seeds::of(target, &data) {
            std::fs::write(directory.join(format!("seed-{name}")), bytes).unwrap();
        }
    }
}
