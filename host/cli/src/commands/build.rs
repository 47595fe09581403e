//! `relight build`: a project's component, without deploying it.

use std::path::PathBuf;

use serde_json::json;

use crate::{
    error::{Error, Exit, Result},
    output::{self, Format},
    project,
};

/// Build a project with its language's own compiler and make a component of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  $ relight build hello")]
pub struct Build {
    /// Folder of the project.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Write the component here, too.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Build {
    pub fn run(self, format: Format) -> Result {
        let mut built = project::build(&self.path)?;
        if let Some(out) = self.out {
            std::fs::write(&out, &built.bytes).map_err(|error| {
                Error::new(Exit::Failed, format!("cannot write `{}`", out.display())).because(&error)
            })?;
            built.path = out;
        }
        let inspection = relight_wit::inspect(&built.bytes).map_err(|error| {
            Error::new(Exit::UploadInvalid, "the build is not a valid component").because(&error)
        })?;
        let imports: Vec<String> = inspection.imports.iter().map(ToString::to_string).collect();
        let component = json!({
            "path": built.path,
            "size_bytes": inspection.size_bytes,
            "imports": inspection.import_names().collect::<Vec<_>>(),
            "exports": inspection.export_names().collect::<Vec<_>>(),
        });
        output::one(format, &component, "path", |_| {
            let mut fields = vec![
                ("component", built.path.display().to_string()),
                ("size", output::size(inspection.size_bytes)),
            ];
            for (index, import) in imports.iter().enumerate() {
                fields.push((if index == 0 { "imports" } else { "" }, import.clone()));
            }
            output::fields(&fields)
        })
    }
}
