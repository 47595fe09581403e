//! Two modules become one: section by section, the program's content first, with every index renumbered.

use std::{borrow::Cow, collections::BTreeMap, convert::Infallible};

use wasm_encoder::{
    CodeSection, CustomSection, DataCountSection, DataSection, ElementSection, ExportKind, ExportSection,
    FunctionSection, GlobalSection, ImportSection, MemorySection, Module, NameMap, NameSection, StartSection,
    TableSection, TagSection, TypeSection,
    reencode::{Error, Reencode},
};
use wasmparser::ExternalKind;

use super::{PREVIEW1, Plan, outline::Outline};
use crate::error::Cause;

type Result<T> = std::result::Result<T, Error<Infallible>>;

pub(super) fn link(
    guest: &Outline<'_>,
    adapter: &Outline<'_>,
    plan: &Plan,
) -> std::result::Result<Vec<u8>, Cause> {
    let mut linker = Linker {
        guest,
        adapter,
        plan,
        of_guest: OfGuest { plan },
        of_adapter: OfAdapter {
            plan,
            types: u32::try_from(guest.types.len()).expect("a validated module has fewer types"),
            memories: guest.memory_count,
            globals: guest.global_count,
        },
        module: Module::new(),
    };
    linker.declarations()?;
    linker.definitions()?;
    linker.customs();
    Ok(linker.module.finish())
}

struct Linker<'p, 'a> {
    guest: &'p Outline<'a>,
    adapter: &'p Outline<'a>,
    plan: &'p Plan,
    of_guest: OfGuest<'p>,
    of_adapter: OfAdapter<'p>,
    module: Module,
}

/// New indices of what the program refers to.
struct OfGuest<'p> {
    plan: &'p Plan,
}

impl Reencode for OfGuest<'_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32> {
        Ok(self.plan.guest_functions[function as usize])
    }
}

/// New indices of what the adapter refers to: its types, globals and memory stand behind the program's.
struct OfAdapter<'p> {
    plan: &'p Plan,
    types: u32,
    memories: u32,
    globals: u32,
}

impl Reencode for OfAdapter<'_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32> {
        Ok(self.plan.adapter_functions[&function])
    }

    fn type_index(&mut self, ty: u32) -> Result<u32> {
        Ok(self.types + ty)
    }

    /// Memory 0 is the program's, memory 1 the adapter's.
    fn memory_index(&mut self, memory: u32) -> Result<u32> {
        Ok(memory.checked_sub(1).map_or(0, |own| self.memories + own))
    }

    fn global_index(&mut self, global: u32) -> Result<u32> {
        Ok(self.globals + global)
    }
}

impl Linker<'_, '_> {
    fn declarations(&mut self) -> Result<()> {
        let mut types = TypeSection::new();
        for (reencoder, outline) in [
            (&mut self.of_guest as &mut dyn Reencode<Error = Infallible>, self.guest),
            (&mut self.of_adapter, self.adapter),
        ] {
            if let Some(section) = outline.sections.types.clone() {
                reencoder.parse_type_section(&mut types, section)?;
            }
        }
        self.module.section(&types);

        let mut imports = ImportSection::new();
        for import in self.guest.imports.iter().filter(|import| import.module != PREVIEW1) {
            imports.import(import.module, import.name, self.of_guest.entity_type(import.ty)?);
        }
        for index in &self.plan.more_imports {
            let import = self.adapter.imported_functions[*index as usize];
            imports.import(import.module, import.name, self.of_adapter.entity_type(import.ty)?);
        }
        self.module.section(&imports);

        let mut functions = FunctionSection::new();
        for ty in &self.guest.functions {
            functions.function(*ty);
        }
        for index in &self.plan.more_functions {
            functions.function(self.of_adapter.type_index(self.adapter.type_index(*index))?);
        }
        self.module.section(&functions);

        if let Some(section) = self.guest.sections.tables.clone() {
            let mut tables = TableSection::new();
            self.of_guest.parse_table_section(&mut tables, section)?;
            self.module.section(&tables);
        }
        let mut memories = MemorySection::new();
        if let Some(section) = self.guest.sections.memories.clone() {
            self.of_guest.parse_memory_section(&mut memories, section)?;
        }
        if self.plan.needs_memory
            && let Some(section) = self.adapter.sections.memories.clone()
        {
            self.of_adapter.parse_memory_section(&mut memories, section)?;
        }
        self.module.section(&memories);
        if let Some(section) = self.guest.sections.tags.clone() {
            let mut tags = TagSection::new();
            self.of_guest.parse_tag_section(&mut tags, section)?;
            self.module.section(&tags);
        }
        let mut globals = GlobalSection::new();
        if let Some(section) = self.guest.sections.globals.clone() {
            self.of_guest.parse_global_section(&mut globals, section)?;
        }
        if let Some(section) = self.adapter.sections.globals.clone() {
            self.of_adapter.parse_global_section(&mut globals, section)?;
        }
        self.module.section(&globals);
        Ok(())
    }

    fn definitions(&mut self) -> Result<()> {
        self.exports()?;
        if let Some(function) = self.guest.start {
            let function_index = self.of_guest.function_index(function)?;
            self.module.section(&StartSection { function_index });
        }
        if let Some(section) = self.guest.sections.elements.clone() {
            let mut elements = ElementSection::new();
            self.of_guest.parse_element_section(&mut elements, section)?;
            self.module.section(&elements);
        }
        let more_data = if self.plan.needs_memory { self.adapter.data_count } else { 0 };
        if self.guest.names_data_count {
            self.module.section(&DataCountSection { count: self.guest.data_count + more_data });
        }
        let mut code = CodeSection::new();
        for body in &self.guest.bodies {
            self.of_guest.parse_function_body(&mut code, body.clone())?;
        }
        for index in &self.plan.more_functions {
            let body = self.adapter.body(*index).expect("only functions with a body are in the list");
            self.of_adapter.parse_function_body(&mut code, body.clone())?;
        }
        self.module.section(&code);
        let mut data = DataSection::new();
        if let Some(section) = self.guest.sections.data.clone() {
            self.of_guest.parse_data_section(&mut data, section)?;
        }
        if more_data > 0
            && let Some(section) = self.adapter.sections.data.clone()
        {
            self.of_adapter.parse_data_section(&mut data, section)?;
        }
        self.module.section(&data);
        Ok(())
    }

    /// What the program exports; the adapter's functions stand in for those that it wraps.
    fn exports(&mut self) -> Result<()> {
        let mut exports = ExportSection::new();
        for export in self.guest.sections.exports.iter().flat_map(|section| section.clone()) {
            let export = export.map_err(Error::ParseError)?;
            match self.plan.wrapped.get(export.name) {
                Some(function) if export.kind == ExternalKind::Func => {
                    exports.export(export.name, ExportKind::Func, self.of_adapter.function_index(*function)?);
                }
                _ => self.of_guest.parse_export(&mut exports, export)?,
            }
        }
        self.module.section(&exports);
        Ok(())
    }

    fn customs(&mut self) {
        let mut names: BTreeMap<u32, &str> = BTreeMap::new();
        for (index, name) in &self.adapter.function_names {
            if let Some(new) = self.plan.adapter_functions.get(index) {
                names.insert(*new, name);
            }
        }
        // The program's own name for a function goes before the adapter's.
        for (index, name) in &self.guest.function_names {
            if let Some(new) = self.plan.guest_functions.get(*index as usize) {
                names.insert(*new, name);
            }
        }
        let mut functions = NameMap::new();
        for (index, name) in names {
            functions.append(index, name);
        }
        let mut section = NameSection::new();
        section.functions(&functions);
        self.module.section(&section);
        for (name, data) in &self.guest.customs {
            self.module.section(&CustomSection { name: Cow::Borrowed(name), data: Cow::Borrowed(data) });
        }
    }
}
