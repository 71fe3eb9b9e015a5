//! The four functions' build script: how their release binaries are linked.

fn main() {
    println!("cargo::rerun-if-changed=../link.ld");
    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    // Other profiles unwind.
    if std::env::var("PROFILE").as_deref() == Ok("release") {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/../link.ld");
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
