//! What a core module consists of, as far as two of them need it to become one.

use std::collections::BTreeMap;

use wasmparser::{
    BinaryReaderError, DataSectionReader, ElementSectionReader, ExportSectionReader, ExternalKind, FuncType,
    FunctionBody, GlobalSectionReader, Import, KnownCustom, MemorySectionReader, Name, Parser, Payload,
    TableSectionReader, TagSectionReader, TypeRef, TypeSectionReader,
};

/// Custom sections that are true of the new module, too. What is left out, such as debug information, counts bytes of the old one.
const KEPT_SECTIONS: [&str; 2] = ["component-type", "producers"];

/// A validated core module.
#[derive(Default)]
pub(super) struct Outline<'a> {
    pub types: Vec<FuncType>,
    /// All of them, in order.
    pub imports: Vec<Import<'a>>,
    pub imported_functions: Vec<Import<'a>>,
    /// Types of the functions that are not imported.
    pub functions: Vec<u32>,
    pub bodies: Vec<FunctionBody<'a>>,
    /// Imported and its own.
    pub memory_count: u32,
    /// Imported and its own.
    pub global_count: u32,
    pub data_count: u32,
    pub names_data_count: bool,
    pub start: Option<u32>,
    pub function_exports: BTreeMap<&'a str, u32>,
    pub function_names: BTreeMap<u32, &'a str>,
    pub customs: Vec<(&'a str, &'a [u8])>,
    pub sections: Sections<'a>,
}

/// Sections whose content is copied.
#[derive(Default)]
pub(super) struct Sections<'a> {
    pub types: Option<TypeSectionReader<'a>>,
    pub tables: Option<TableSectionReader<'a>>,
    pub memories: Option<MemorySectionReader<'a>>,
    pub tags: Option<TagSectionReader<'a>>,
    pub globals: Option<GlobalSectionReader<'a>>,
    pub exports: Option<ExportSectionReader<'a>>,
    pub elements: Option<ElementSectionReader<'a>>,
    pub data: Option<DataSectionReader<'a>>,
}

impl<'a> Outline<'a> {
    pub fn read(module: &'a [u8]) -> Result<Self, BinaryReaderError> {
        let mut outline = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            outline.add(payload?)?;
        }
        Ok(outline)
    }

    fn add(&mut self, payload: Payload<'a>) -> Result<(), BinaryReaderError> {
        let sections = &mut self.sections;
        match payload {
            Payload::TypeSection(section) => {
                for ty in section.clone().into_iter_err_on_gc_types() {
                    self.types.push(ty?);
                }
                sections.types = Some(section);
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.add_import(import?);
                }
            }
            Payload::FunctionSection(section) => {
                self.functions = section.into_iter().collect::<Result<_, _>>()?;
            }
            Payload::TableSection(section) => sections.tables = Some(section),
            Payload::MemorySection(section) => {
                self.memory_count += section.count();
                sections.memories = Some(section);
            }
            Payload::TagSection(section) => sections.tags = Some(section),
            Payload::GlobalSection(section) => {
                self.global_count += section.count();
                sections.globals = Some(section);
            }
            Payload::ExportSection(section) => {
                for export in section.clone() {
                    let export = export?;
                    if export.kind == ExternalKind::Func {
                        self.function_exports.insert(export.name, export.index);
                    }
                }
                sections.exports = Some(section);
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => sections.elements = Some(section),
            Payload::DataCountSection { .. } => self.names_data_count = true,
            Payload::DataSection(section) => {
                self.data_count = section.count();
                sections.data = Some(section);
            }
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::CustomSection(section) => match section.as_known() {
                KnownCustom::Name(names) => self.add_names(names),
                _ if KEPT_SECTIONS.iter().any(|kept| section.name().starts_with(kept)) => {
                    self.customs.push((section.name(), section.data()));
                }
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn add_import(&mut self, import: Import<'a>) {
        match import.ty {
            TypeRef::Func(_) | TypeRef::FuncExact(_) => self.imported_functions.push(import),
            TypeRef::Memory(_) => self.memory_count += 1,
            TypeRef::Global(_) => self.global_count += 1,
            TypeRef::Table(_) | TypeRef::Tag(_) => {}
        }
        self.imports.push(import);
    }

    /// Names are for people: a section that makes no sense has none.
    fn add_names(&mut self, names: wasmparser::NameSectionReader<'a>) {
        for name in names.into_iter().map_while(Result::ok) {
            if let Name::Function(map) = name {
                self.function_names
                    .extend(map.into_iter().map_while(Result::ok).map(|naming| (naming.index, naming.name)));
            }
        }
    }

    pub fn function_import(&self, index: u32) -> Option<&Import<'a>> {
        self.imported_functions.get(index as usize)
    }

    /// None for an imported function.
    pub fn body(&self, index: u32) -> Option<&FunctionBody<'a>> {
        self.bodies.get((index as usize).checked_sub(self.imported_functions.len())?)
    }

    pub fn type_index(&self, function: u32) -> u32 {
        let function = function as usize;
        match self.imported_functions.get(function) {
            Some(Import { ty: TypeRef::Func(ty) | TypeRef::FuncExact(ty), .. }) => *ty,
            _ => self.functions[function - self.imported_functions.len()],
        }
    }

    pub fn function_type(&self, function: u32) -> &FuncType {
        &self.types[self.type_index(function) as usize]
    }
}
