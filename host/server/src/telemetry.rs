//! Log lines on stderr: for people, or as JSON, one object a line.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    config::{Config, LogFormat},
    exit::Failure,
};

pub fn start(config: &Config) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.log_filter)
        .map_err(|error| Failure::usage(format!("`log.filter` is `{}`: {error}", config.log_filter)))?;
    let lines = tracing_subscriber::registry().with(filter);
    match config.log_format {
        LogFormat::Human => {
            lines.with(fmt::layer().with_writer(std::io::stderr).with_ansi(false)).init();
        }
        LogFormat::Json => lines.with(fmt::layer().json().with_writer(std::io::stderr)).init(),
    }
    Ok(())
}
