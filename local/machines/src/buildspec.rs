//! The buildspec of a source: which commands CodeBuild runs, and what it keeps of what they made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The phases of a build, in CodeBuild's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Install,
    PreBuild,
    Build,
    PostBuild,
}

impl Phase {
    /// As CodeBuild's messages name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Install => "INSTALL",
            Self::PreBuild => "PRE_BUILD",
            Self::Build => "BUILD",
            Self::PostBuild => "POST_BUILD",
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Commands {
    commands: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Env {
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(default)]
    exported_variables: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Artifacts {
    files: Vec<String>,
}

/// A buildspec, of version 0.2: all of its commands run in one shell. What else a buildspec may have is refused by its name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BuildSpec {
    version: f64,
    #[serde(default)]
    env: Env,
    phases: BTreeMap<Phase, Commands>,
    artifacts: Artifacts,
}

impl BuildSpec {
    /// Reads a buildspec; in a sentence, why it cannot be used.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let spec: Self = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
        if spec.version == 0.2 { Ok(spec) } else { Err(format!("invalid buildspec version {}: use 0.2", spec.version)) }
    }

    /// The commands of all phases, in the order in which they run.
    pub(crate) fn commands(&self) -> Vec<(Phase, &str)> {
        self.phases
            .iter()
            .flat_map(|(phase, list)| list.commands.iter().map(|command| (*phase, command.as_str())))
            .collect()
    }

    pub(crate) fn variables(&self) -> &BTreeMap<String, String> {
        &self.env.variables
    }

    pub(crate) fn exported(&self) -> &[String] {
        &self.env.exported_variables
    }

    /// The files that the output has: those that are named, and for `folder/**/*` all below it.
    pub(crate) fn outputs(&self, source: &Path) -> Result<Vec<PathBuf>, String> {
        let mut found = Vec::new();
        for pattern in &self.artifacts.files {
            let before = found.len();
            match pattern.strip_suffix("/**/*") {
                Some(folder) => below(source, Path::new(folder), &mut found).map_err(|error| error.to_string())?,
                None if source.join(pattern).is_file() => found.push(PathBuf::from(pattern)),
                None => {}
            }
            if found.len() == before {
                return Err(format!("no matching artifact paths found for {pattern}"));
            }
        }
        Ok(found)
    }
}

fn below(source: &Path, folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(source.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            below(source, &path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_reads() {
        let revision = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/docker-stages/revision");
        let spec = BuildSpec::read(&revision.join("buildspec.yml")).unwrap();
        let phases: Vec<Phase> = spec.commands().into_iter().map(|(phase, _)| phase).collect();
        assert!(phases.is_sorted() && phases.contains(&Phase::Build), "{phases:?}");
        assert_eq!(spec.exported(), ["IMAGE"]);
    }

    #[test]
    fn what_is_not_run_here_is_refused_by_its_name() {
        for (text, words) in [
            ("version: 0.1\nphases: {}\nartifacts: {files: []}\n", "version 0.1"),
            ("version: 0.2\nphases: {deploy: {commands: []}}\nartifacts: {files: []}\n", "deploy"),
            ("version: 0.2\nphases: {}\nartifacts: {files: [], base-directory: out}\n", "base-directory"),
            (
                "version: 0.2\nphases: {build: {commands: [], on-failure: CONTINUE}}\nartifacts: {files: []}\n",
                "on-failure",
            ),
        ] {
            let error = BuildSpec::parse(text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
