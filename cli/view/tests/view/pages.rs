//! Each command of the tool that a page names in a sentence is one.

use std::path::Path;

use view::manual;

#[test]
fn each_command_of_the_tool_that_a_page_names_is_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut faults = Vec::new();
    let mut count = 0;
    for folder in [root.clone(), root.join("docs")] {
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
            let text = std::fs::read_to_string(&path).unwrap();
            for named in text.split('`').filter(|span| span.starts_with("pointsman ") && !span.contains('\n')) {
                count += 1;
                if let Err(error) = manual::command().try_get_matches_from(named.split(' ')) {
                    faults.push(format!("{}: {named}: {error}", path.display()));
                }
            }
        }
    }
    assert!(count >= 6, "only {count} were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
