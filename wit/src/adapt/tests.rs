//! What is linked into which module. What the adapter's functions do is tested where there is an engine.

use crate::{Error, HANDLER_EXPORT, HANDLER_WORLD, componentize, embed_world, inspect};

/// A program with the exports of the world `service`.
fn program(imports: &str, rest: &str) -> Result<Vec<u8>, Error> {
    let text = format!(
        r#"(module
            {imports}
            (memory (export "memory") 1)
            (data (i32.const 64) "the program's own")
            (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
            (func (export "{HANDLER_EXPORT}#describe") (result i32) unreachable)
            (func (export "{HANDLER_EXPORT}#invoke")
                (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
            (func (export "{HANDLER_EXPORT}#effect")
                (param i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
            {rest})"#
    );
    let module = wat::parse_str(text).expect("the test's text is valid");
    componentize(&embed_world(&module, &[], HANDLER_WORLD)?)
}

fn imports(component: &[u8]) -> Vec<String> {
    inspect(component).expect("a valid component").import_names().collect()
}

const FD_WRITE: &str =
    r#"(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))"#;
const CLOCK: &str =
    r#"(import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))"#;
const RANDOM: &str =
    r#"(import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))"#;
const YIELD: &str = r#"(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))"#;

#[test]
fn a_component_imports_only_what_the_adapter_needs_for_it() {
    for (wasi, contract) in [
        (YIELD, &[][..]),
        (CLOCK, &["relight:handler/context@0.1.0#now"]),
        (RANDOM, &["relight:handler/context@0.1.0#random"]),
        (FD_WRITE, &["relight:handler/log@0.1.0#log"]),
    ] {
        assert_eq!(imports(&program(wasi, "").expect("there is an adapter")), contract, "{wasi}");
    }
}

#[test]
fn imports_of_the_contract_stay_and_are_shared() {
    let own = r#"(import "relight:handler/ops@0.1.0" "callee" (func $callee (param i32 i32)))
                 (import "relight:handler/context@0.1.0" "now" (func $now (result i64)))"#;
    let component = program(&format!("{FD_WRITE} {own} {CLOCK}"), "").expect("there is an adapter");
    assert_eq!(
        imports(&component),
        [
            "relight:handler/context@0.1.0#now",
            "relight:handler/ops@0.1.0#callee",
            "relight:handler/log@0.1.0#log"
        ]
    );
}

#[test]
fn a_program_with_everything_a_module_may_have_stays_valid() {
    let rest = r#"(table 2 funcref)
        (elem (i32.const 0) $write $own)
        (global $state (mut i32) (i32.const 7))
        (data $later "text")
        (func $own (param i32 i32 i32 i32) (result i32)
            (memory.init $later (i32.const 0) (i32.const 0) (i32.const 4))
            (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 128)))
            (call_indirect (param i32 i32 i32 i32) (result i32)
                (local.get 0) (local.get 1) (local.get 2) (local.get 3) (global.get $state)))
        (func $begin (drop (call $random_get (i32.const 64) (i32.const 8))))
        (start $begin)"#;
    let component = program(&format!("{FD_WRITE} {CLOCK} {RANDOM}"), rest).expect("it stays valid");
    assert_eq!(imports(&component).len(), 3);
}

#[test]
fn a_program_without_wasi_is_left_alone() {
    let plain = wat::parse_str("(module (memory 1))").expect("valid");
    assert!(super::adapt(&plain).expect("a module").is_none());
}

#[test]
fn functions_that_there_are_not_are_refused_by_name() {
    let unknown = r#"(import "wasi_snapshot_preview1" "fd_teleport" (func))"#;
    let other_type = r#"(import "wasi_snapshot_preview1" "sched_yield" (func (param f64)))"#;
    for (import, part) in [(unknown, "fd_teleport"), (other_type, "sched_yield")] {
        let Error::Adapt(cause) = program(import, "").expect_err("no such function") else {
            panic!("{import}")
        };
        assert!(cause.to_string().contains(part), "{cause}");
    }
}

#[test]
fn every_function_of_preview1_is_there() {
    // What `wasi_snapshot_preview1` has, by its specification.
    const FUNCTIONS: &str = "args_get args_sizes_get clock_res_get clock_time_get environ_get environ_sizes_get \
        fd_advise fd_allocate fd_close fd_datasync fd_fdstat_get fd_fdstat_set_flags fd_fdstat_set_rights \
        fd_filestat_get fd_filestat_set_size fd_filestat_set_times fd_pread fd_prestat_dir_name fd_prestat_get \
        fd_pwrite fd_read fd_readdir fd_renumber fd_seek fd_sync fd_tell fd_write path_create_directory \
        path_filestat_get path_filestat_set_times path_link path_open path_readlink path_remove_directory \
        path_rename path_symlink path_unlink_file poll_oneoff proc_exit proc_raise random_get sched_yield \
        sock_accept sock_recv sock_send sock_shutdown";
    let adapter = super::outline::Outline::read(super::ADAPTER).expect("a module");
    for name in FUNCTIONS.split_whitespace() {
        assert!(adapter.function_exports.contains_key(name), "{name}");
    }
}
