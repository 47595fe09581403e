//! What the functions of `wasi_snapshot_preview1` do once the adapter is linked into a program. The host of these tests follows
//! the canonical ABI: it asks `cabi_realloc` where to put a list, and must not be called meanwhile.

use std::sync::{Arc, Mutex};

use wasmtime::{Caller, Engine, Extern, Instance, Linker, Module, Store, TypedFunc};

/// Where programs keep what they hand over; far from what the adapter borrows.
const AT: usize = 0x8000;
const BADF: i32 = 8;
/// The descriptor of idleness.
const IDLE: i32 = 0x1d1e;

/// What the host was asked for.
#[derive(Default)]
struct Host {
    messages: Vec<(i32, String)>,
    now: i64,
    random_calls: Vec<i32>,
    /// The host is inside of `cabi_realloc`.
    allocating: bool,
}

struct Program {
    store: Store<Arc<Mutex<Host>>>,
    instance: Instance,
    host: Arc<Mutex<Host>>,
}

/// A program that exports the named functions of preview1 as they are; `rest` adds to it, imports before a line of dashes.
fn program(functions: &[(&str, &str)], rest: &str) -> Program {
    let (more_imports, rest) = rest.split_once("---").unwrap_or(("", rest));
    let imports: String = functions
        .iter()
        .map(|(name, ty)| format!(r#"(import "wasi_snapshot_preview1" "{name}" (func ${name} {ty}))"#))
        .collect();
    let exports: String =
        functions.iter().map(|(name, _)| format!(r#"(export "{name}" (func ${name}))"#)).collect();
    let realloc = if rest.contains("cabi_realloc") {
        ""
    } else {
        r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)"#
    };
    let text = format!(
        r#"(module {imports} {more_imports} (memory (export "memory") 4) {realloc} {exports} {rest})"#
    );
    let module = relight_wit::adapt(&wat::parse_str(text).expect("valid"))
        .expect("there is an adapter")
        .expect("it imports something");

    let engine = Engine::default();
    let mut linker = Linker::<Arc<Mutex<Host>>>::new(&engine);
    let lock = |caller: &Caller<'_, Arc<Mutex<Host>>>| {
        let host = caller.data().clone();
        assert!(!host.lock().expect("one thread").allocating, "called while it waits for memory");
        host
    };
    linker
        .func_wrap("relight:handler/context@0.1.0", "now", move |caller: Caller<'_, _>| {
            lock(&caller).lock().expect("one thread").now
        })
        .expect("once");
    linker
        .func_wrap(
            "relight:handler/context@0.1.0",
            "random",
            move |caller: Caller<'_, _>, len: i32, to: i32| {
                lock(&caller).lock().expect("one thread").random_calls.push(len);
                give_list(caller, &vec![0xa5; usize::try_from(len).expect("a length")], to)
            },
        )
        .expect("once");
    linker
        .func_wrap(
            "relight:handler/log@0.1.0",
            "log",
            move |mut caller: Caller<'_, _>, level: i32, at: i32, bytes: i32, _: i32, fields: i32| {
                assert_eq!(fields, 0);
                let host = lock(&caller);
                let range = at as usize..at as usize + bytes as usize;
                let text = memory(&mut caller).data(&caller)[range].to_vec();
                let text = String::from_utf8(text).expect("the contract's strings are UTF-8");
                host.lock().expect("one thread").messages.push((level, text));
            },
        )
        .expect("once");
    let host = Arc::new(Mutex::new(Host { now: 1_700_000_000_123, ..Host::default() }));
    let mut store = Store::new(&engine, host.clone());
    let module = Module::new(&engine, module).expect("valid");
    let instance = linker.instantiate(&mut store, &module).expect("all imports are there");
    Program { store, instance, host }
}

fn memory(caller: &mut Caller<'_, Arc<Mutex<Host>>>) -> wasmtime::Memory {
    caller.get_export("memory").and_then(Extern::into_memory).expect("programs export their memory")
}

/// As the canonical ABI hands a list over: allocate, copy, write down address and length.
fn give_list(mut caller: Caller<'_, Arc<Mutex<Host>>>, list: &[u8], to: i32) {
    let realloc = caller.get_export("cabi_realloc").and_then(Extern::into_func).expect("exported");
    let realloc: TypedFunc<(i32, i32, i32, i32), i32> = realloc.typed(&caller).expect("its type");
    caller.data().lock().expect("one thread").allocating = true;
    let at = realloc.call(&mut caller, (0, 0, 1, list.len() as i32)).expect("allocates");
    caller.data().lock().expect("one thread").allocating = false;
    let memory = memory(&mut caller);
    memory.write(&mut caller, at as usize, list).expect("in bounds");
    memory.write(&mut caller, to as usize, &at.to_le_bytes()).expect("in bounds");
    memory.write(&mut caller, to as usize + 4, &(list.len() as i32).to_le_bytes()).expect("in bounds");
}

impl Program {
    fn call<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
        &mut self,
        name: &str,
        parameters: P,
    ) -> wasmtime::Result<R> {
        let function = self.instance.get_typed_func::<P, R>(&mut self.store, name).expect("exported");
        function.call(&mut self.store, parameters)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let memory = self.instance.get_memory(&mut self.store, "memory").expect("exported");
        memory.write(&mut self.store, at, bytes).expect("in bounds");
    }

    fn get(&mut self, at: usize, bytes: usize) -> Vec<u8> {
        let memory = self.instance.get_memory(&mut self.store, "memory").expect("exported");
        memory.data(&self.store)[at..at + bytes].to_vec()
    }

    fn write(&mut self, fd: i32, text: &[u8]) {
        self.put(AT + 16, text);
        self.put(AT, &[(AT as i32 + 16).to_le_bytes(), (text.len() as i32).to_le_bytes()].concat());
        let result: i32 = self.call("fd_write", (fd, AT as i32, 1, AT as i32 + 8)).expect("writes");
        assert_eq!(result, 0);
        assert_eq!(self.get(AT + 8, 4), (text.len() as i32).to_le_bytes());
    }

    fn messages(&self) -> Vec<(i32, String)> {
        std::mem::take(&mut self.host.lock().expect("one thread").messages)
    }
}

const FD_WRITE: (&str, &str) = ("fd_write", "(param i32 i32 i32 i32) (result i32)");
const PROC_EXIT: (&str, &str) = ("proc_exit", "(param i32)");
const CLOCK: (&str, &str) = ("clock_time_get", "(param i32 i64 i32) (result i32)");
const RANDOM: (&str, &str) = ("random_get", "(param i32 i32) (result i32)");
const POLL: (&str, &str) = ("poll_oneoff", "(param i32 i32 i32 i32) (result i32)");
const INFO: i32 = 2;
const WARN: i32 = 3;
const ERROR: i32 = 4;

fn said(level: i32, text: &str) -> (i32, String) {
    (level, text.to_owned())
}

#[test]
fn a_line_becomes_a_message_whatever_pieces_it_comes_in() {
    let mut program = program(&[FD_WRITE], "");
    for piece in ["one\ntw", "o", "\n\n", "unfinished"] {
        program.write(1, piece.as_bytes());
    }
    program.write(2, b"wrong\n");
    assert_eq!(program.messages(), [said(INFO, "one"), said(INFO, "two"), said(ERROR, "wrong")]);
}

#[test]
fn an_unfinished_line_is_said_when_the_handler_is_done() {
    let rest = r#"(func (export "relight:handler/handler@0.1.0#invoke")
        (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
        (drop (call $fd_write (i32.const 1) (i32.const 0x8000) (i32.const 1) (i32.const 0x8008)))
        (i32.const 77))"#;
    let mut program = program(&[FD_WRITE], rest);
    program.write(1, b"un");
    program.put(AT + 16, b"finished");
    program.put(AT + 4, &8_i32.to_le_bytes());
    let arguments = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    let result: i32 = program.call("relight:handler/handler@0.1.0#invoke", arguments).expect("returns");
    assert_eq!(result, 77);
    assert_eq!(program.messages(), [said(INFO, "unfinished")]);
}

#[test]
fn an_unfinished_line_is_said_when_an_async_handler_is_done_and_not_when_it_waits() {
    let begins = "[async-lift]relight:handler/handler-async@0.1.0#invoke";
    let goes_on = "[callback][async-lift]relight:handler/handler-async@0.1.0#invoke";
    let rest = format!(
        r#"(func (export "{begins}")
            (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
            (drop (call $fd_write (i32.const 1) (i32.const 0x8000) (i32.const 1) (i32.const 0x8008)))
            (i32.const 18))
        (func (export "{goes_on}") (param i32 i32 i32) (result i32) (local.get 0))"#
    );
    let mut program = program(&[FD_WRITE], &rest);
    program.write(1, b"un");
    program.put(AT + 16, b"finished");
    program.put(AT + 4, &8_i32.to_le_bytes());
    let arguments = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    let waits: i32 = program.call(begins, arguments).expect("returns");
    assert_eq!(waits, 18);
    let waits: i32 = program.call(goes_on, (1, 0, 0)).expect("returns");
    assert_eq!(waits, 1);
    assert_eq!(program.messages(), []);
    let ends: i32 = program.call(goes_on, (0, 0, 0)).expect("returns");
    assert_eq!(ends, 0);
    assert_eq!(program.messages(), [said(INFO, "unfinished")]);
}

#[test]
fn messages_are_utf_8_whatever_is_written() {
    let mut program = program(&[FD_WRITE], "");
    for (written, text) in [
        (&b"gr\xc3\xbc\xc3\x9fe \xe2\x82\xac \xf0\x9f\x8e\xad"[..], "grüße € 🎭"),
        (b"\xff\xfe", "??"),
        (b"cut \xe2\x82", "cut ??"),
        (b"long \xc0\xaf \xe0\x80\xaf", "long ?? ???"),
        (b"half \xed\xa0\x80", "half ???"),
        (b"beyond \xf4\x90\x80\x80 \xf5", "beyond ???? ?"),
        (b"alone \x80", "alone ?"),
    ] {
        program.write(1, written);
        program.write(1, b"\n");
        assert_eq!(program.messages(), [said(INFO, text)]);
    }
}

#[test]
fn a_long_line_is_cut_between_characters() {
    let mut program = program(&[FD_WRITE], "");
    let line = format!("a{}", "€".repeat(3_000));
    program.write(1, line.as_bytes());
    program.write(1, b"\n");
    let messages = program.messages();
    assert_eq!(messages.len(), 3);
    assert_eq!(messages.iter().map(|(_, text)| text.as_str()).collect::<String>(), line);
}

#[test]
fn the_programs_memory_is_as_it_was() {
    let mut program = program(&[FD_WRITE, RANDOM], "");
    let pattern: Vec<u8> = (0..AT).map(|index| (index % 251) as u8).collect();
    program.put(0, &pattern);
    program.write(2, format!("{}\n", "x".repeat(5_000)).as_bytes());
    let result: i32 = program.call("random_get", (AT as i32, 16)).expect("gives");
    assert_eq!(result, 0);
    assert_eq!(program.get(0, AT), pattern);
}

#[test]
fn randomness_comes_in_the_pieces_that_the_contract_allows() {
    let mut program = program(&[RANDOM], "");
    let bytes = 65_536 + 10;
    program.put(AT - 1, &[1]);
    program.put(AT + bytes, &[2]);
    let result: i32 = program.call("random_get", (AT as i32, bytes as i32)).expect("gives");
    assert_eq!(result, 0);
    assert_eq!(program.host.lock().expect("one thread").random_calls, [65_536, 10]);
    assert_eq!(program.get(AT - 1, 1), [1]);
    assert_eq!(program.get(AT, bytes), vec![0xa5; bytes]);
    assert_eq!(program.get(AT + bytes, 1), [2]);
}

#[test]
fn all_clocks_are_the_invocations() {
    let mut program = program(&[CLOCK], "");
    for clock in 0..4 {
        let result: i32 = program.call("clock_time_get", (clock, 1_i64, AT as i32)).expect("tells");
        assert_eq!(result, 0);
        assert_eq!(program.get(AT, 8), 1_700_000_000_123_000_000_i64.to_le_bytes());
    }
    let result: i32 = program.call("clock_time_get", (4, 1_i64, AT as i32)).expect("answers");
    assert_ne!(result, 0);
}

/// A collector of garbage that looks at the clock and writes in the middle of an allocation must not end the attempt.
#[test]
fn nothing_is_asked_of_the_host_while_it_waits_for_memory() {
    let rest = r#"
        (import "relight:handler/context@0.1.0" "random" (func $list (param i32 i32)))
        ---
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 0x9000)))
            (drop (call $fd_write (i32.const 1) (i32.const 0x8000) (i32.const 1) (i32.const 0x8008)))
            (if (i32.eqz (call $random_get (i32.const 0x9100) (i32.const 4))) (then unreachable))
            (i32.const 0xa000))
        (func (export "list") (call $list (i32.const 3) (i32.const 0x9200)))"#;
    let mut program = program(&[FD_WRITE, CLOCK, RANDOM], rest);
    program.put(AT, &[(AT as i32 + 16).to_le_bytes(), 7_i32.to_le_bytes()].concat());
    program.put(AT + 16, b"tidied\n");
    let _: i32 = program.call("clock_time_get", (0, 1_i64, AT as i32 + 32)).expect("tells");
    program.host.lock().expect("one thread").now += 5_000;
    let () = program.call("list", ()).expect("nothing is called");
    // The clock stands where it was seen last.
    assert_eq!(program.get(0x9000, 8), 1_700_000_000_123_000_000_i64.to_le_bytes());
    assert_eq!(program.messages(), []);
    program.write(1, b"later\n");
    assert_eq!(program.messages(), [said(INFO, "tidied\nlater")]);
}

#[test]
fn a_program_that_ends_itself_says_why() {
    let mut plain = program(&[FD_WRITE, PROC_EXIT], "");
    plain.call::<_, ()>("proc_exit", 0).expect_err("it is over");
    assert_eq!(plain.messages(), [said(ERROR, "the program ended itself with exit code 0")]);

    let mut last = program(&[FD_WRITE, PROC_EXIT], "");
    last.write(2, b"opening\ncannot open");
    last.call::<_, ()>("proc_exit", 120).expect_err("it is over");
    let reason = "the program ended itself with exit code 120: cannot open";
    assert_eq!(last.messages(), [said(ERROR, "opening"), said(ERROR, "cannot open"), said(ERROR, reason)]);

    let mut report = program(&[FD_WRITE, PROC_EXIT], "");
    for piece in ["panic: ", "no such seat", "\n\ngoroutine 1 [running]:\n", "main.main()\n"] {
        report.write(2, piece.as_bytes());
    }
    report.call::<_, ()>("proc_exit", 2).expect_err("it is over");
    let reason = "the program ended itself with exit code 2: panic: no such seat";
    assert_eq!(report.messages().last(), Some(&said(ERROR, reason)));
}

/// One subscription: kind, then what is subscribed to.
fn subscription(clock: bool, timeout: i64, absolute: bool, fd: i32) -> Vec<u8> {
    let mut bytes = vec![0; 48];
    bytes[..8].copy_from_slice(&42_u64.to_le_bytes());
    bytes[8] = if clock { 0 } else { 1 };
    bytes[24..32].copy_from_slice(&timeout.to_le_bytes());
    bytes[40] = u8::from(absolute);
    if !clock {
        bytes[16..20].copy_from_slice(&fd.to_le_bytes());
    }
    bytes
}

#[test]
fn waiting_is_refused_with_the_way_to_do_it() {
    for waiting in [subscription(true, 1_000_001, false, 0), subscription(true, i64::MAX, true, 0)] {
        let mut program = program(&[POLL], "");
        program.put(AT, &waiting);
        program
            .call::<_, i32>("poll_oneoff", (AT as i32, AT as i32 + 64, 1, AT as i32 + 128))
            .expect_err("refused");
        let messages = program.messages();
        assert_eq!(messages.len(), 1);
        assert!(messages[0].1.ends_with("which survives crashes and holds no memory"), "{messages:?}");
        assert!(messages[0].1.contains("durable sleep"), "{messages:?}");
    }
}

#[test]
fn what_is_ready_need_not_be_waited_for() {
    let past = 1_700_000_000_123_000_000;
    for ready in [
        subscription(true, 0, false, 0),
        // Less than the clock can tell: Go waits so before it reports why it ends a program.
        subscription(true, 1_000_000, false, 0),
        subscription(true, past, true, 0),
        subscription(false, 0, false, 1),
    ] {
        let mut program = program(&[POLL], "");
        program.put(AT, &[subscription(true, i64::MAX, true, 0), ready.clone()].concat());
        let result: i32 =
            program.call("poll_oneoff", (AT as i32, AT as i32 + 128, 2, AT as i32 + 256)).expect("at once");
        assert_eq!(result, 0);
        assert_eq!(program.get(AT + 256, 4), 1_i32.to_le_bytes());
        let event = program.get(AT + 128, 12);
        assert_eq!(event[..8], 42_u64.to_le_bytes());
        assert_eq!(event[10], ready[8]);
    }
}

/// The scheduler of Go asks for what is ready, and waits when it has nothing else to do: then, and only then, idleness is.
#[test]
fn idleness_is_ready_when_nothing_else_is() {
    let idle = subscription(false, 0, false, IDLE);
    for (others, ready) in [
        (vec![], 1),
        (vec![subscription(true, i64::MAX, true, 0)], 1),
        (vec![subscription(true, 0, false, 0)], 0),
        (vec![subscription(false, 0, false, 1)], 0),
    ] {
        let mut program = program(&[POLL], "");
        let mut asked = idle.clone();
        asked[..8].copy_from_slice(&7_u64.to_le_bytes());
        let count = 1 + others.len() as i32;
        program.put(AT, &[asked, others.concat()].concat());
        let result: i32 = program
            .call("poll_oneoff", (AT as i32, AT as i32 + 128, count, AT as i32 + 256))
            .expect("at once");
        assert_eq!(result, 0);
        assert_eq!(program.get(AT + 256, 4), 1_i32.to_le_bytes());
        let event = program.get(AT + 128, 12);
        assert_eq!(event[..8], if ready == 1 { 7_u64 } else { 42 }.to_le_bytes());
    }
}

/// Go calls a clock that shows 0 broken, and the host's stands at 0 while a component is instantiated.
#[test]
fn no_clock_shows_zero() {
    let mut program = program(&[CLOCK], "");
    program.host.lock().expect("one thread").now = 0;
    let result: i32 = program.call("clock_time_get", (1, 1_i64, AT as i32)).expect("tells");
    assert_eq!(result, 0);
    assert_eq!(program.get(AT, 8), 1_000_000_i64.to_le_bytes());
}

/// A trap's message is the last line of level error. Go ends a program by a trap, below a stack.
#[test]
fn what_stands_below_a_report_is_no_error() {
    let mut program = program(&[FD_WRITE], "");
    program.write(2, b"before\npanic: no such seat\n\ngoroutine 1 [running]:\nmain.main()\n");
    assert_eq!(
        program.messages(),
        [
            said(ERROR, "before"),
            said(ERROR, "panic: no such seat"),
            said(WARN, "goroutine 1 [running]:"),
            said(WARN, "main.main()"),
        ]
    );
}

#[test]
fn streams_look_like_a_terminal_and_there_is_nothing_else() {
    let functions = [
        ("fd_fdstat_get", "(param i32 i32) (result i32)"),
        ("fd_read", "(param i32 i32 i32 i32) (result i32)"),
        ("fd_close", "(param i32) (result i32)"),
        ("fd_seek", "(param i32 i64 i32 i32) (result i32)"),
        ("fd_prestat_get", "(param i32 i32) (result i32)"),
        ("args_sizes_get", "(param i32 i32) (result i32)"),
        ("args_get", "(param i32 i32) (result i32)"),
        ("environ_sizes_get", "(param i32 i32) (result i32)"),
        ("path_open", "(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)"),
    ];
    let mut program = program(&functions, "");
    let at = AT as i32;
    for fd in 0..3 {
        assert_eq!(program.call::<_, i32>("fd_fdstat_get", (fd, at)).expect("answers"), 0);
        assert_eq!(program.get(AT, 1), [2]);
        assert_eq!(program.call::<_, i32>("fd_close", fd).expect("answers"), 0);
    }
    assert_eq!(program.call::<_, i32>("fd_fdstat_get", (3, at)).expect("answers"), BADF);
    assert_eq!(program.call::<_, i32>("fd_seek", (1, 0_i64, 0, at)).expect("answers"), 70);
    assert_eq!(program.call::<_, i32>("fd_seek", (9, 0_i64, 0, at)).expect("answers"), BADF);
    assert_eq!(program.call::<_, i32>("fd_prestat_get", (3, at)).expect("answers"), BADF);
    assert_eq!(
        program.call::<_, i32>("path_open", (3, 0, 0, 0, 0, 0_i64, 0_i64, 0, 0)).expect("answers"),
        BADF
    );
    program.put(AT, &[9; 4]);
    assert_eq!(program.call::<_, i32>("fd_read", (0, at, 0, at)).expect("answers"), 0);
    assert_eq!(program.get(AT, 4), [0; 4]);

    assert_eq!(program.call::<_, i32>("args_sizes_get", (at, at + 4)).expect("answers"), 0);
    assert_eq!(program.get(AT, 8), [1, 0, 0, 0, 8, 0, 0, 0]);
    assert_eq!(program.call::<_, i32>("args_get", (at, at + 16)).expect("answers"), 0);
    assert_eq!(program.get(AT, 4), (at + 16).to_le_bytes());
    assert_eq!(program.get(AT + 16, 8), *b"handler\0");
    assert_eq!(program.call::<_, i32>("environ_sizes_get", (at, at + 4)).expect("answers"), 0);
    assert_eq!(program.get(AT, 8), [0; 8]);
}
