//! `relight build`: a project's component, without deploying it.

use std::{env, path::PathBuf, rc::Rc};

use relight_core::schema::{HandlerMode, ServiceKind};
use relight_executor::{Checked, CompileWorker};
use relight_testing::{Component, Engine};
use serde_json::{Value, json};

use crate::{
    error::{Error, Exit, Result},
    output::{self, Format},
    project::{self, Built},
};

/// Build a project with its language's own compiler and make a component of it.
///
/// The component is then checked as a server would: compiled, and asked for its services.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  $ relight build hello")]
pub struct Build {
    /// Folder of the project.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Write the component here, too.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Leave it unchecked: faster with large components, and no handlers are shown.
    #[arg(long)]
    unchecked: bool,
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
        let checked = if self.unchecked { None } else { Some(check(&built)?) };
        let mut component = json!({
            "path": built.path,
            "size_bytes": inspection.size_bytes,
            "imports": inspection.import_names().collect::<Vec<_>>(),
            "exports": inspection.export_names().collect::<Vec<_>>(),
        });
        if let (Some(checked), Value::Object(fields)) = (&checked, &mut component) {
            fields.insert("sdk".to_owned(), json!(checked.sdk));
            fields.insert("handlers".to_owned(), json!(handlers(checked)));
            fields.insert("effects".to_owned(), json!(effects(checked)));
        }
        let imports: Vec<String> = inspection.imports.iter().map(ToString::to_string).collect();
        output::one(format, &component, "path", |_| {
            let mut fields = vec![
                ("component", built.path.display().to_string()),
                ("size", output::size(inspection.size_bytes)),
            ];
            rows(&mut fields, "imports", &imports);
            if let Some(checked) = &checked {
                fields.push(("sdk", checked.sdk.clone()));
                rows(&mut fields, "handlers", &handlers(checked));
                rows(&mut fields, "effects", &effects(checked));
            }
            output::fields(&fields)
        })
    }
}

/// Several values of one name, one below the other.
fn rows<'a>(fields: &mut Vec<(&'a str, String)>, name: &'a str, values: &[String]) {
    for (index, value) in values.iter().enumerate() {
        fields.push((if index == 0 { name } else { "" }, value.clone()));
    }
}

/// `Greeter/greet`, `Counter/{key}/get (shared)`.
fn handlers(checked: &Checked) -> Vec<String> {
    let mut handlers = Vec::new();
    for service in &checked.services {
        let key = if service.kind == ServiceKind::Service { "" } else { "{key}/" };
        for handler in &service.handlers {
            let mode = match (service.kind, handler.mode) {
                (ServiceKind::VirtualObject, HandlerMode::Shared) => " (shared)",
                (_, HandlerMode::Workflow) => " (workflow)",
                _ => "",
            };
            handlers.push(format!("{}/{key}{}{mode}", service.name, handler.name));
        }
    }
    handlers
}

fn effects(checked: &Checked) -> Vec<String> {
    checked.effects.iter().map(|effect| effect.name.clone()).collect()
}

/// What the component says about itself, when a server would take it.
fn check(built: &Built) -> Result<Rc<Checked>> {
    let program = env::current_exe()
        .map_err(|error| Error::new(Exit::Failed, "cannot find this program").because(&error))?;
    let worker = CompileWorker::Process { program, args: vec!["compile-worker".into()] };
    let engine = Engine::new(worker)
        .map_err(|error| Error::new(Exit::Failed, "cannot start the engine").because(&error))?;
    let mut component = Component::new(built.bytes.clone());
    component.memory_bytes_max = built.project.memory_bytes()?.unwrap_or(component.memory_bytes_max);
    engine.prepare(&component).map_err(|error| Error {
        code: Some(error.code().to_owned()),
        ..Error::new(Exit::UploadInvalid, error.to_string()).hint(error.hint())
    })
}
