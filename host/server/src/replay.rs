//! `relight replay`: exported invocations against a component, in this process and without a server.

use std::{env, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use relight_cli::Replaying;
use relight_core::{DeploymentId, schema::Deployment};
use relight_executor::{
    Checked, CompileLimits, CompileWorker, Executor, ExecutorConfig, limits,
    limits::{MEMORY_BYTES_CEILING, MEMORY_BYTES_DEFAULT},
};
use tokio::runtime::Handle;

use crate::{exit::Failure, node};

/// The component is not one that can be deployed, as for `relight deploy`.
const COMPONENT_INVALID: u8 = 8;

pub fn run(mut replaying: Replaying) -> ExitCode {
    match replay(&mut replaying) {
        Ok(()) => replaying.exit(),
        Err(failure) => failure.report(),
    }
}

fn replay(replaying: &mut Replaying) -> Result<(), Failure> {
    let native = tempfile::tempdir().context("make a folder for native code")?;
    let config = ExecutorConfig {
        // Never asked: the component is checked first, and its native code stays.
        component_path: Arc::new(|digest| digest.to_string().into()),
        native_dir: native.path().to_owned(),
        attempts_max: 0,
        effects_max: 0,
        suspend_after: None,
        warm_bytes_max: limits::WARM_BYTES_DEFAULT,
        keep: relight_executor::keep,
        memory_bytes_max: MEMORY_BYTES_CEILING,
        clock: Arc::new(node::wall_clock),
        compile_worker: CompileWorker::Process {
            program: env::current_exe().context("find this program")?,
            args: vec!["compile-worker".into()],
        },
        compile_limits: CompileLimits::default(),
    };
    let runtime = node::runtime("relight-replay")?;
    runtime.block_on(async {
        let executor = Executor::new(config, Handle::current()).context("start the executor")?;
        let memory_bytes_max = replaying.memory_bytes_max.unwrap_or(MEMORY_BYTES_DEFAULT);
        let checked =
            executor.check(replaying.component.clone(), memory_bytes_max).await.map_err(|error| {
                let hint = error.hint();
                Failure::new(COMPONENT_INVALID, error).hint(hint)
            })?;
        let digest = checked.digest.to_string();
        let deployment = Arc::new(deployment(checked, memory_bytes_max));
        let candidate = executor.candidate(deployment).await.context("load the component")?;
        for index in 0..replaying.bundles.len() {
            let bundle = &replaying.bundles[index];
            replaying.begin(bundle, &digest);
            let verdict = executor.replay(&candidate, bundle.recorded.clone(), Some(bundle.observer())).await;
            replaying.end(index, verdict.context("replay the journal")?);
        }
        Ok(())
    })
}

/// As if it were deployed, with nothing that it may reach.
fn deployment(checked: Checked, memory_bytes_max: u64) -> Deployment {
    Deployment {
        id: DeploymentId(0),
        digest: checked.digest,
        size_bytes: checked.size_bytes,
        created_at: node::wall_clock(),
        allow_http: Vec::new(),
        env: Vec::new(),
        memory_bytes_max,
        services: checked.services.iter().map(|service| Arc::clone(&service.name)).collect(),
        effects: checked.effects,
        sdk: checked.sdk,
        metadata: Vec::new(),
    }
}
