//! `wasi:filesystem`: there are no directories, hence no descriptors, and no way to call most of this. Language runtimes import
//! it all the same.

use wasmtime::component::{Linker, Resource, ResourceType};

use super::interface;
use crate::guest::{Guest, Stop};

pub(super) const TYPES: &[&str] = &[
    "[method]descriptor.advise",
    "[method]descriptor.append-via-stream",
    "[method]descriptor.create-directory-at",
    "[method]descriptor.get-flags",
    "[method]descriptor.get-type",
    "[method]descriptor.is-same-object",
    "[method]descriptor.link-at",
    "[method]descriptor.metadata-hash",
    "[method]descriptor.metadata-hash-at",
    "[method]descriptor.open-at",
    "[method]descriptor.read",
    "[method]descriptor.read-directory",
    "[method]descriptor.read-via-stream",
    "[method]descriptor.readlink-at",
    "[method]descriptor.remove-directory-at",
    "[method]descriptor.rename-at",
    "[method]descriptor.set-size",
    "[method]descriptor.set-times",
    "[method]descriptor.set-times-at",
    "[method]descriptor.stat",
    "[method]descriptor.stat-at",
    "[method]descriptor.symlink-at",
    "[method]descriptor.sync",
    "[method]descriptor.sync-data",
    "[method]descriptor.unlink-file-at",
    "[method]descriptor.write",
    "[method]descriptor.write-via-stream",
    "[method]directory-entry-stream.read-directory-entry",
    "filesystem-error-code",
];

struct Descriptor;
struct DirectoryEntryStream;

pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    interface(linker, "wasi:filesystem/preopens")?
        .func_wrap("get-directories", |_, (): ()| Ok((Vec::<(Resource<Descriptor>, String)>::new(),)))?;
    let mut types = interface(linker, "wasi:filesystem/types")?;
    types.resource("descriptor", ResourceType::host::<Descriptor>(), |_, _| Ok(()))?;
    types.resource("directory-entry-stream", ResourceType::host::<DirectoryEntryStream>(), |_, _| Ok(()))?;
    for &name in TYPES {
        types.func_new(name, move |_, _, _, _| {
            // Each takes a descriptor, or an error that came from one.
            Err(Stop::Misuse(format!("`wasi:filesystem` `{name}`: a handler has no files")).into())
        })?;
    }
    Ok(())
}
