//! Python as its users write it, built by the binary. Skipped where there is no compiler.

use std::fs;

use crate::{
    commands::path_with_tool,
    support::{Folder, stdout},
};

/// Recursion in Python itself, through functions of C that call back, and in C alone.
const APP: &str = r#"
import relight
from relight import Context, Service

deep = Service("Deep")


class Nested:
    def __init__(self, depth):
        self.depth = depth

    def __repr__(self):
        return f"Nested({Nested(self.depth + 1)!r})"

    def __lt__(self, other):
        return sorted([Nested(1), Nested(2)]) is None


def plain(depth):
    return plain(depth + 1) + 1


def called_back(depth):
    return max([depth], key=lambda _: called_back(depth + 1))


def list_of_lists(depth):
    nested = []
    for _ in range(depth):
        nested = [nested]
    return repr(nested)


WAYS = {
    "plain": lambda: plain(0),
    "called back": lambda: called_back(0),
    "repr": lambda: repr(Nested(0)),
    "sort": lambda: Nested(0) < Nested(1),
    "c": lambda: list_of_lists(100_000),
}


@deep.handler
async def recurse(ctx: Context, way: str) -> int:
    return len(str(WAYS[way]()))


relight.export(deep)
"#;

const WAYS: [&str; 5] = ["plain", "called back", "repr", "sort", "c"];

#[test]
fn endless_recursion_is_an_error_of_python_and_no_trap() {
    let Some(path) = path_with_tool("componentize-py") else { return };
    let folder = Folder::new();
    let sdk = fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-sdk/python"))
        .expect("it is there");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("write");
    write("app.py", APP);
    write("relight.project.toml", &format!("[python]\npath = [{sdk:?}]\n"));
    let mut scenario = "name = \"too deep\"\ntime = \"manual\"\n".to_owned();
    for way in WAYS {
        scenario += &format!(
            "[[step]]\nsend = \"Deep/recurse\"\nbody = \"{way}\"\nas = \"{way}\"\n\
             [[step]]\nexpect = \"{way}\"\nstatus = \"backing-off\"\nreason = \"RecursionError: \"\n"
        );
    }
    write("deep.toml", &scenario);
    let tested = stdout(folder.relight(&["test", ".", "--scenario", "deep.toml"]).env("PATH", path));
    assert!(tested.starts_with("ok ") && tested.contains("too deep"), "{tested}");
}
