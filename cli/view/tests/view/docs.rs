//! The page about the tool is what the tool says of itself.

use view::manual;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
const BEGINS: &str = "<!-- made from the command line's definition: UPDATE_DOCS=1 cargo test -p view docs -->\n";
const ENDS: &str = "<!-- end -->\n";

#[test]
fn the_page_says_what_the_help_says() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGINS).unwrap();
    let (there, after) = rest.split_once(ENDS).unwrap();
    let wanted = format!("\n{}\n", manual::markdown());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, format!("{before}{BEGINS}{wanted}{ENDS}{after}")).unwrap();
    } else {
        assert!(there == wanted, "docs/cli.md is not what the tool says: UPDATE_DOCS=1 cargo test -p view docs");
    }
}
