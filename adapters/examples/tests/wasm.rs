//! The core in WebAssembly, driven by JavaScript: needs `node`, and Rust's target `wasm32-unknown-unknown`.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use pglock_tests::Server;

const TARGET: &str = "wasm32-unknown-unknown";

struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
#[ignore = "needs node and the target wasm32-unknown-unknown"]
fn a_lock_is_handed_over_between_two_modules() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "pglock-example-wasm", "--target", TARGET])
        .arg("--target-dir")
        .arg(target)
        .current_dir(here)
        .status();
    assert!(built.unwrap().success());

    let database = Server::shared().database();
    let mut proxy = Command::new(env!("CARGO_BIN_EXE_sql_proxy"));
    let proxy = proxy.env("DATABASE_URL", database.url()).stdout(Stdio::piped()).spawn();
    let mut proxy = Proxy(proxy.unwrap());
    let mut address = String::new();
    BufReader::new(proxy.0.stdout.take().unwrap()).read_line(&mut address).unwrap();

    let module = target.join(TARGET).join("debug/pglock_example_wasm.wasm");
    let mut node = Command::new("node");
    let output = node.arg(here.join("wasm/host.mjs")).arg(module).arg(address.trim()).output();
    let output = output.expect("node");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let order =
        ["ada: Acquired", "bob: Waiting", "ada: Released", "bob: Acquired", "bob: Released"];
    order
        .iter()
        .fold(&*said, |rest, part| rest.split_once(part).unwrap_or_else(|| panic!("{said}")).1);
}
