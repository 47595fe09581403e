//! Programs that were compiled for `wasi_snapshot_preview1` become guests: the functions that they import from it are replaced
//! by those of the adapter in `components/adapter`, which know the contract only.
//!
//! Adapter and program become one module. A linker of components would give the adapter an instance of its own, three more to
//! connect them, and no memory; this way a call of the adapter is a call, and an instance costs what it did.
//!
//! What does not live here: what the adapter's functions do.

mod link;
mod outline;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{Import, Operator, TypeRef};

use self::outline::Outline;
use crate::{Error, componentize::validate, error::Cause};

/// The module whose imports are replaced.
const PREVIEW1: &str = "wasi_snapshot_preview1";
/// What the adapter calls the program that it is linked to.
const GUEST: &str = "__main_module__";
/// The beginning of the names of the contract's interfaces.
const CONTRACT: &str = "relight:handler/";
const LOG: &str = "relight:handler/log@0.1.0";
/// The allocator of lists that the host hands over: wrapped whenever the adapter calls the host.
const REALLOC: &str = "cabi_realloc";

const ADAPTER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/preview1.wasm"));

/// The module with the adapter in it; none when it imports nothing that there is an adapter for. [`componentize`] does this, too.
///
/// The module must be valid. A core module stays a core module.
///
/// # Errors
///
/// [`Error::NotWasm`], [`Error::Invalid`], and [`Error::Adapt`] for a module that imports what the adapter does not have.
///
/// [`componentize`]: crate::componentize
pub fn adapt(module: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    validate(module)?;
    linked(module).map_err(Error::Adapt)
}

fn linked(module: &[u8]) -> Result<Option<Vec<u8>>, Cause> {
    let guest = Outline::read(module)?;
    if !guest.imports.iter().any(|import| import.module == PREVIEW1) {
        return Ok(None);
    }
    let adapter = Outline::read(ADAPTER)?;
    let plan = Plan::new(&guest, &adapter)?;
    Ok(Some(link::link(&guest, &adapter, &plan)?))
}

/// Which parts of the adapter are linked in, and the new numbers of all functions.
struct Plan {
    /// By the number in the program.
    guest_functions: Vec<u32>,
    /// By the number in the adapter: those that are kept.
    adapter_functions: BTreeMap<u32, u32>,
    /// Imports of the adapter that the program does not have yet, in order.
    more_imports: Vec<u32>,
    /// Functions of the adapter's own that are kept, in order.
    more_functions: Vec<u32>,
    /// Exports of the program that the adapter wraps, with the adapter's function.
    wrapped: BTreeMap<String, u32>,
    /// The adapter's memory serves its messages only.
    needs_memory: bool,
}

impl Plan {
    fn new(guest: &Outline<'_>, adapter: &Outline<'_>) -> Result<Self, Cause> {
        let roots = replaced(guest, adapter)?;
        let mut kept = reachable(adapter, roots.values().copied())?;
        let uses = |kept: &BTreeSet<u32>, module: &str| {
            kept.iter().any(|index| {
                adapter.function_import(*index).is_some_and(|import| import.module.starts_with(module))
            })
        };
        let mut wrapped = BTreeMap::new();
        for (name, index) in &adapter.function_exports {
            let reason = if *name == REALLOC { CONTRACT } else { LOG };
            if guest.function_exports.contains_key(name) && uses(&kept, reason) {
                wrapped.insert((*name).to_owned(), *index);
            }
        }
        kept.extend(reachable(adapter, wrapped.values().copied())?);
        let needs_memory = uses(&kept, LOG);
        let mut plan = Self {
            guest_functions: Vec::new(),
            adapter_functions: BTreeMap::new(),
            more_imports: Vec::new(),
            more_functions: Vec::new(),
            wrapped,
            needs_memory,
        };
        plan.number(guest, adapter, &roots, &kept)?;
        Ok(plan)
    }

    /// New order: imports of the program, imports of the adapter, functions of the program, functions of the adapter.
    fn number(
        &mut self,
        guest: &Outline<'_>,
        adapter: &Outline<'_>,
        roots: &BTreeMap<u32, u32>,
        kept: &BTreeSet<u32>,
    ) -> Result<(), Cause> {
        let mut next = 0;
        let mut take = || {
            next += 1;
            next - 1
        };
        let mut imports = BTreeMap::new();
        for (index, import) in (0_u32..).zip(&guest.imported_functions) {
            if !roots.contains_key(&index) {
                imports.insert((import.module, import.name), (index, take()));
            }
        }
        let is_own = |index: u32| index as usize >= adapter.imported_functions.len();
        for index in kept.iter().copied().filter(|index| !is_own(*index)) {
            let Import { module, name, .. } = adapter.imported_functions[index as usize];
            if module == GUEST {
                continue;
            }
            let new = match imports.get(&(module, name)) {
                Some((known, new)) => {
                    same_type(guest, *known, adapter, index, name)?;
                    *new
                }
                None => {
                    self.more_imports.push(index);
                    take()
                }
            };
            self.adapter_functions.insert(index, new);
        }
        let own_of_guest: Vec<u32> = guest.functions.iter().map(|_| take()).collect();
        for index in kept.iter().copied().filter(|index| is_own(*index)) {
            self.more_functions.push(index);
            self.adapter_functions.insert(index, take());
        }
        for (index, import) in (0_u32..).zip(&guest.imported_functions) {
            self.guest_functions.push(match roots.get(&index) {
                Some(root) => self.adapter_functions[root],
                None => imports[&(import.module, import.name)].1,
            });
        }
        self.guest_functions.extend(own_of_guest);
        for index in kept.iter().copied().filter(|index| !is_own(*index)) {
            let Import { module, name, .. } = adapter.imported_functions[index as usize];
            if module == GUEST {
                let function = *guest.function_exports.get(name).ok_or_else(|| {
                    format!("the adapter for `{PREVIEW1}` needs the export `{name}` of the module")
                })?;
                same_type(guest, function, adapter, index, name)?;
                self.adapter_functions.insert(index, self.guest_functions[function as usize]);
            }
        }
        Ok(())
    }
}

/// The adapter's functions for the imports that are replaced, by the number of the import in the program.
fn replaced(guest: &Outline<'_>, adapter: &Outline<'_>) -> Result<BTreeMap<u32, u32>, Cause> {
    if let Some(import) = guest
        .imports
        .iter()
        .find(|import| import.module == PREVIEW1 && !matches!(import.ty, TypeRef::Func(_)))
    {
        return Err(format!("`{PREVIEW1}` has no `{}` that is not a function", import.name).into());
    }
    let mut roots = BTreeMap::new();
    for (index, import) in (0_u32..).zip(&guest.imported_functions) {
        if import.module != PREVIEW1 {
            continue;
        }
        let function = *adapter
            .function_exports
            .get(import.name)
            .ok_or_else(|| format!("`{PREVIEW1}` has no function `{}`", import.name))?;
        same_type(guest, index, adapter, function, import.name)?;
        roots.insert(index, function);
    }
    Ok(roots)
}

fn same_type(
    guest: &Outline<'_>,
    in_guest: u32,
    adapter: &Outline<'_>,
    in_adapter: u32,
    name: &str,
) -> Result<(), Cause> {
    let (found, expected) = (guest.function_type(in_guest), adapter.function_type(in_adapter));
    if found == expected {
        return Ok(());
    }
    Err(format!("`{name}` has the type `{found}` in the module, and `{expected}` in the contract").into())
}

/// The functions that `roots` need, themselves included. No function of the adapter is called other than by its number.
fn reachable(adapter: &Outline<'_>, roots: impl Iterator<Item = u32>) -> Result<BTreeSet<u32>, Cause> {
    let mut found = BTreeSet::new();
    let mut open: Vec<u32> = roots.collect();
    while let Some(index) = open.pop() {
        if !found.insert(index) {
            continue;
        }
        let Some(body) = adapter.body(index) else { continue };
        for operator in body.get_operators_reader()? {
            if let Operator::Call { function_index } = operator? {
                open.push(function_index);
            }
        }
    }
    Ok(found)
}
