//! What `docs/safety.md` names is there: promises of the model by their words, tests by their files.

use std::path::Path;

use model::promises::Promise;

/// What stands between marks, each by itself: `a` of `*a*`.
fn between<'t>(text: &'t str, mark: &str) -> Vec<&'t str> {
    text.split(mark).skip(1).step_by(2).collect()
}

#[test]
fn what_the_page_on_safety_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/safety.md")).unwrap();
    let table = page.split("\n## ").find(|part| part.starts_with("The promises")).unwrap();
    let (mut missing, mut named) = (Vec::new(), 0);
    for words in table.lines().flat_map(|line| between(line, "*")) {
        named += 1;
        if !Promise::ALL.iter().any(|promise| promise.words().contains(words)) {
            missing.push(format!("no promise of the model is “{words}”"));
        }
    }
    for promise in Promise::ALL {
        if !table.lines().flat_map(|line| between(line, "*")).any(|words| promise.words().contains(words)) {
            missing.push(format!("“{}” is not on the page", promise.words()));
        }
    }
    for code in page.lines().flat_map(|line| between(line, "`")) {
        let (folder, names) = match code.split_once("end_to_end::") {
            Some((_, names)) => ("local/tests/end_to_end", names.trim_matches(['{', '}']).to_owned()),
            None if code.ends_with(".rs") && !code.contains('/') => {
                ("functions/plans/tests/plans", code.trim_end_matches(".rs").to_owned())
            }
            None => continue,
        };
        for name in names.split(',') {
            named += 1;
            if !root.join(folder).join(format!("{}.rs", name.trim())).is_file() {
                missing.push(format!("{folder} has no {name}.rs"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(named > 40, "only {named} names were found");
}
