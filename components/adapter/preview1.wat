;; What a program built for `wasi_snapshot_preview1` finds here: the clock, randomness and log of the invocation, two
;; streams to write to, and nothing else. relight-wit links this module into the program (see README.md), so that
;; only what the program uses, and what that uses, is in the component.
;;
;; What does not live here: decisions about which program needs it, and anything durable.
;;
;; Rules:
;; - No import is called while `$allocating` is 1: then the host is in the middle of handing over a list, and calling out of
;;   the component is forbidden. A runtime may well look at the clock there, to collect its garbage.
;; - The guest's memory is never grown and nothing is kept in it: old allocators take all of it for their own. What must be
;;   in it for the host to see is put at `BORROWED`, and what was there is put back.
;;
;; The adapter's own memory:
;;      4, 8   length of the unfinished line of stream 1 and 2
;;        12   length of the remembered line
;;        16   1 when the remembered line is the beginning of a report
;;  0x1000     unfinished line of stream 1, 4 KiB: the line that ends it, or so much of it, becomes one message
;;  0x2000     the same of stream 2
;;  0x3000     the line of stream 2 that tells best why the program ends itself, 1 KiB
;;  0x4000     where a message is put together, 2 KiB
;;  0x5000     what was at BORROWED in the guest's memory, 4 KiB
;;  0x6000     texts
;; BORROWED = 16: behind address 0, which programs use for nothing and engines check for nothing.
;; IDLE = 0x1d1e: a descriptor that is readable when nothing else is ready (see README.md).
(module
  (import "env" "memory" (memory $guest 0))
  (import "__main_module__" "cabi_realloc" (func $guest_realloc (param i32 i32 i32 i32) (result i32)))
  (import "__main_module__" "relight:handler/handler@0.1.0#invoke" (func $guest_invoke
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "__main_module__" "relight:handler/handler@0.1.0#effect" (func $guest_effect
    (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "__main_module__" "[async-lift]relight:handler/handler-async@0.1.0#invoke" (func $guest_invoke_begins
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "__main_module__" "[callback][async-lift]relight:handler/handler-async@0.1.0#invoke" (func $guest_invoke_goes_on
    (param i32 i32 i32) (result i32)))
  (import "__main_module__" "[async-lift]relight:handler/handler-async@0.1.0#effect" (func $guest_effect_begins
    (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "__main_module__" "[callback][async-lift]relight:handler/handler-async@0.1.0#effect" (func $guest_effect_goes_on
    (param i32 i32 i32) (result i32)))
  (import "relight:handler/context@0.1.0" "now" (func $now (result i64)))
  (import "relight:handler/context@0.1.0" "random" (func $random (param i32 i32)))
  (import "relight:handler/log@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))

  (memory $own 1 1)
  (data (memory $own) (i32.const 0x6000) "panic: ")
  (data (memory $own) (i32.const 0x6010) "fatal error: ")
  (data (memory $own) (i32.const 0x6020) "the program ended itself with exit code ")
  (data (memory $own) (i32.const 0x6050) ": ")
  (data (memory $own) (i32.const 0x6060)
    "the program waits for time to pass, or for input, with nothing else to do: a handler must not sleep by itself; use the durable sleep of the SDK, which survives crashes and holds no memory")

  (global $allocating (mut i32) (i32.const 0))
  ;; Where the bytes that `$random` answers are to go; 0: wherever the guest's allocator says.
  (global $random_to (mut i32) (i32.const 0))
  ;; Milliseconds, as `$now` answered last. Never 0: to Go, a clock that shows 0 is broken.
  (global $time (mut i64) (i64.const 1))

  ;; ---- Exports of the guest that are wrapped ----

  (func $allocate (export "cabi_realloc") (param $old i32) (param $old_bytes i32) (param $align i32) (param $bytes i32) (result i32)
    (local $result i32)
    (if (global.get $random_to) (then (return (global.get $random_to))))
    (global.set $allocating (i32.const 1))
    (local.set $result
      (call $guest_realloc (local.get $old) (local.get $old_bytes) (local.get $align) (local.get $bytes)))
    (global.set $allocating (i32.const 0))
    (local.get $result))

  ;; A line without an end is a line when the handler is done.
  (func $invoke (export "relight:handler/handler@0.1.0#invoke")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $guest_invoke (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)
      (local.get 6) (local.get 7) (local.get 8) (local.get 9) (local.get 10))
    (call $flush_all))
  (func $effect (export "relight:handler/handler@0.1.0#effect") (param i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $guest_effect (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)
      (local.get 6))
    (call $flush_all))

  ;; The same of async functions. Such a function and its callback return again and again, with what to wait for; 0 is the end. The
  ;; result is with the host by then, but nothing of the guest is dropped before this returns.
  (func (export "[async-lift]relight:handler/handler-async@0.1.0#invoke") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $guest_invoke_begins (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)
      (local.get 6) (local.get 7) (local.get 8) (local.get 9) (local.get 10))
    (call $flush_at_exit))
  (func (export "[callback][async-lift]relight:handler/handler-async@0.1.0#invoke") (param i32 i32 i32) (result i32)
    (call $guest_invoke_goes_on (local.get 0) (local.get 1) (local.get 2))
    (call $flush_at_exit))
  (func (export "[async-lift]relight:handler/handler-async@0.1.0#effect") (param i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $guest_effect_begins (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)
      (local.get 6))
    (call $flush_at_exit))
  (func (export "[callback][async-lift]relight:handler/handler-async@0.1.0#effect") (param i32 i32 i32) (result i32)
    (call $guest_effect_goes_on (local.get 0) (local.get 1) (local.get 2))
    (call $flush_at_exit))
  (func $flush_at_exit (param $code i32) (result i32)
    (if (i32.eqz (local.get $code)) (then (call $flush_all)))
    (local.get $code))

  ;; ---- Time and chance ----

  (func $refresh
    (if (i32.eqz (global.get $allocating)) (then (global.set $time (call $now))))
    (if (i64.eqz (global.get $time)) (then (global.set $time (i64.const 1)))))

  (func (export "clock_res_get") (param $clock i32) (param $result i32) (result i32)
    (if (i32.gt_u (local.get $clock) (i32.const 3)) (then (return (i32.const 28))))
    (i64.store (local.get $result) (i64.const 1000000))
    (i32.const 0))

  ;; All clocks are the invocation's.
  (func $clock_time_get (export "clock_time_get") (param $clock i32) (param $precision i64) (param $result i32) (result i32)
    (if (i32.gt_u (local.get $clock) (i32.const 3)) (then (return (i32.const 28))))
    (call $refresh)
    (i64.store (local.get $result) (i64.mul (global.get $time) (i64.const 1000000)))
    (i32.const 0))

  ;; The host puts the bytes where `cabi_realloc` says, and their address and number at BORROWED.
  (func $random_get (export "random_get") (param $to i32) (param $bytes i32) (result i32)
    (local $part i32) (local $saved i64)
    (if (global.get $allocating) (then (return (i32.const 6))))
    (if (i32.lt_u (local.get $to) (i32.const 24)) (then (return (i32.const 21))))
    (local.set $saved (i64.load (i32.const 16)))
    (loop $more
      (if (local.get $bytes) (then
        (local.set $part
          (select (local.get $bytes) (i32.const 65536) (i32.lt_u (local.get $bytes) (i32.const 65536))))
        (global.set $random_to (local.get $to))
        (call $random (local.get $part) (i32.const 16))
        (global.set $random_to (i32.const 0))
        (local.set $to (i32.add (local.get $to) (local.get $part)))
        (local.set $bytes (i32.sub (local.get $bytes) (local.get $part)))
        (br $more))))
    (i64.store (i32.const 16) (local.get $saved))
    (i32.const 0))

  ;; ---- Lines ----

  ;; How many bytes follow the first byte of a character; -1 when no character begins so.
  (func $following (param $first i32) (result i32)
    (if (i32.lt_u (local.get $first) (i32.const 0x80)) (then (return (i32.const 0))))
    (if (i32.lt_u (local.get $first) (i32.const 0xc2)) (then (return (i32.const -1))))
    (if (i32.lt_u (local.get $first) (i32.const 0xe0)) (then (return (i32.const 1))))
    (if (i32.lt_u (local.get $first) (i32.const 0xf0)) (then (return (i32.const 2))))
    (if (i32.lt_u (local.get $first) (i32.const 0xf5)) (then (return (i32.const 3))))
    (i32.const -1))

  ;; 1 when these two cannot stand together: too long an encoding, half of a surrogate pair, beyond the last character.
  (func $wrong_second (param $first i32) (param $second i32) (result i32)
    (if (i32.eq (local.get $first) (i32.const 0xe0))
      (then (return (i32.lt_u (local.get $second) (i32.const 0xa0)))))
    (if (i32.eq (local.get $first) (i32.const 0xed))
      (then (return (i32.gt_u (local.get $second) (i32.const 0x9f)))))
    (if (i32.eq (local.get $first) (i32.const 0xf0))
      (then (return (i32.lt_u (local.get $second) (i32.const 0x90)))))
    (if (i32.eq (local.get $first) (i32.const 0xf4))
      (then (return (i32.gt_u (local.get $second) (i32.const 0x8f)))))
    (i32.const 0))

  ;; Bytes of the character at `$at`, 0 when it is none.
  (func $character (param $at i32) (param $end i32) (result i32)
    (local $first i32) (local $following i32) (local $index i32)
    (local.set $first (i32.load8_u $own (local.get $at)))
    (local.set $following (call $following (local.get $first)))
    (if (i32.lt_s (local.get $following) (i32.const 0)) (then (return (i32.const 0))))
    (if (i32.ge_u (i32.add (local.get $at) (local.get $following)) (local.get $end))
      (then (return (i32.const 0))))
    (loop $next
      (if (i32.lt_u (local.get $index) (local.get $following)) (then
        (local.set $index (i32.add (local.get $index) (i32.const 1)))
        (if (i32.ne
              (i32.and (i32.load8_u $own (i32.add (local.get $at) (local.get $index))) (i32.const 0xc0))
              (i32.const 0x80))
          (then (return (i32.const 0))))
        (br $next))))
    (if (local.get $following) (then
      (if (call $wrong_second (local.get $first)
            (i32.load8_u $own (i32.add (local.get $at) (i32.const 1))))
        (then (return (i32.const 0))))))
    (i32.add (local.get $following) (i32.const 1)))

  ;; Makes text of what a program may have written: whatever is no character becomes a question mark.
  (func $clean (param $at i32) (param $bytes i32)
    (local $end i32) (local $step i32)
    (local.set $end (i32.add (local.get $at) (local.get $bytes)))
    (loop $next
      (if (i32.lt_u (local.get $at) (local.get $end)) (then
        (local.set $step (call $character (local.get $at) (local.get $end)))
        (if (i32.eqz (local.get $step)) (then
          (i32.store8 $own (local.get $at) (i32.const 0x3f))
          (local.set $step (i32.const 1))))
        (local.set $at (i32.add (local.get $at) (local.get $step)))
        (br $next)))))

  ;; One message of at most 4 KiB.
  (func $say (param $level i32) (param $at i32) (param $bytes i32)
    (if (i32.or (global.get $allocating) (i32.eqz (local.get $bytes))) (then (return)))
    (call $clean (local.get $at) (local.get $bytes))
    (memory.copy $own $guest (i32.const 0x5000) (i32.const 16) (local.get $bytes))
    (memory.copy $guest $own (i32.const 16) (local.get $at) (local.get $bytes))
    (call $log (local.get $level) (i32.const 16) (local.get $bytes) (i32.const 0) (i32.const 0))
    (memory.copy $guest $own (i32.const 16) (i32.const 0x5000) (local.get $bytes)))

  (func $begins (param $at i32) (param $bytes i32) (param $text i32) (param $text_bytes i32) (result i32)
    (if (i32.lt_u (local.get $bytes) (local.get $text_bytes)) (then (return (i32.const 0))))
    (loop $next
      (if (i32.eqz (local.get $text_bytes)) (then (return (i32.const 1))))
      (local.set $text_bytes (i32.sub (local.get $text_bytes) (i32.const 1)))
      (br_if $next (i32.eq
        (i32.load8_u $own (i32.add (local.get $at) (local.get $text_bytes)))
        (i32.load8_u $own (i32.add (local.get $text) (local.get $text_bytes))))))
    (i32.const 0))

  ;; The last line, or the beginning of a report with a stack, which Go writes below it. The answer is the line's level: the
  ;; last line of level error is the reason of a trap, so what is below the beginning of a report is a warning.
  (func $remember (param $at i32) (param $bytes i32) (result i32)
    (local $report i32)
    (local.set $report (i32.or
      (call $begins (local.get $at) (local.get $bytes) (i32.const 0x6000) (i32.const 7))
      (call $begins (local.get $at) (local.get $bytes) (i32.const 0x6010) (i32.const 13))))
    (if (i32.and (i32.load $own (i32.const 16)) (i32.eqz (local.get $report))) (then (return (i32.const 3))))
    (if (i32.gt_u (local.get $bytes) (i32.const 1024)) (then (local.set $bytes (i32.const 1024))))
    (memory.copy $own $own (i32.const 0x3000) (local.get $at) (local.get $bytes))
    (i32.store $own (i32.const 12) (local.get $bytes))
    (i32.store $own (i32.const 16) (local.get $report))
    (i32.const 4))

  ;; The unfinished line of a stream becomes a message, but for its last `$keep` bytes.
  (func $flush (param $stream i32) (param $keep i32)
    (local $at i32) (local $bytes i32) (local $level i32)
    (local.set $at (i32.shl (local.get $stream) (i32.const 12)))
    (local.set $bytes
      (i32.sub (i32.load $own (i32.shl (local.get $stream) (i32.const 2))) (local.get $keep)))
    ;; Level info for stream 1, error for stream 2.
    (local.set $level (i32.const 2))
    (if (i32.and (i32.eq (local.get $stream) (i32.const 2)) (i32.gt_u (local.get $bytes) (i32.const 0)))
      (then (local.set $level (call $remember (local.get $at) (local.get $bytes)))))
    (call $say (local.get $level) (local.get $at) (local.get $bytes))
    (memory.copy $own $own (local.get $at) (i32.add (local.get $at) (local.get $bytes)) (local.get $keep))
    (i32.store $own (i32.shl (local.get $stream) (i32.const 2)) (local.get $keep)))

  (func $flush_all
    (call $flush (i32.const 1) (i32.const 0))
    (call $flush (i32.const 2) (i32.const 0)))

  ;; Bytes at the end of a full line that are the beginning of a character.
  (func $cut (param $end i32) (result i32)
    (local $back i32) (local $byte i32)
    (loop $next
      (local.set $back (i32.add (local.get $back) (i32.const 1)))
      (local.set $byte (i32.load8_u $own (i32.sub (local.get $end) (local.get $back))))
      (if (i32.ge_u (local.get $byte) (i32.const 0xc0)) (then
        (return (select (local.get $back) (i32.const 0)
          (i32.ge_s (call $following (local.get $byte)) (local.get $back))))))
      (br_if $next (i32.and
        (i32.ge_u (local.get $byte) (i32.const 0x80))
        (i32.lt_u (local.get $back) (i32.const 3)))))
    (i32.const 0))

  (func $put (param $stream i32) (param $byte i32)
    (local $at i32) (local $bytes i32)
    (local.set $at (i32.shl (local.get $stream) (i32.const 12)))
    ;; While the host waits for memory, lines gather here.
    (if (i32.and (i32.eq (local.get $byte) (i32.const 10)) (i32.eqz (global.get $allocating)))
      (then (call $flush (local.get $stream) (i32.const 0)) (return)))
    (if (i32.eq (i32.load $own (i32.shl (local.get $stream) (i32.const 2))) (i32.const 4096)) (then
      (if (global.get $allocating) (then (return)))
      (call $flush (local.get $stream) (call $cut (i32.add (local.get $at) (i32.const 4096))))))
    (local.set $bytes (i32.load $own (i32.shl (local.get $stream) (i32.const 2))))
    (i32.store8 $own (i32.add (local.get $at) (local.get $bytes)) (local.get $byte))
    (i32.store $own (i32.shl (local.get $stream) (i32.const 2)) (i32.add (local.get $bytes) (i32.const 1))))

  (func $fd_write (export "fd_write") (param $fd i32) (param $parts i32) (param $count i32) (param $result i32) (result i32)
    (local $at i32) (local $end i32) (local $bytes i32)
    (if (i32.or (i32.eqz (local.get $fd)) (i32.gt_u (local.get $fd) (i32.const 2)))
      (then (return (i32.const 8))))
    (loop $part
      (if (local.get $count) (then
        (local.set $at (i32.load $guest (local.get $parts)))
        (local.set $end (i32.add (local.get $at) (i32.load $guest offset=4 (local.get $parts))))
        (local.set $bytes (i32.add (local.get $bytes) (i32.load $guest offset=4 (local.get $parts))))
        (loop $byte
          (if (i32.ne (local.get $at) (local.get $end)) (then
            (call $put (local.get $fd) (i32.load8_u $guest (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $byte))))
        (local.set $parts (i32.add (local.get $parts) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $part))))
    (i32.store $guest (local.get $result) (local.get $bytes))
    (i32.const 0))

  ;; ---- The end ----

  (func $decimal (param $at i32) (param $number i32) (result i32)
    (if (i32.ge_u (local.get $number) (i32.const 10)) (then
      (local.set $at (call $decimal (local.get $at) (i32.div_u (local.get $number) (i32.const 10))))))
    (i32.store8 $own (local.get $at)
      (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
    (i32.add (local.get $at) (i32.const 1)))

  ;; The message becomes that of the failed attempt.
  (func $proc_exit (export "proc_exit") (param $code i32)
    (local $end i32)
    (call $flush_all)
    (memory.copy $own $own (i32.const 0x4000) (i32.const 0x6020) (i32.const 40))
    (local.set $end (call $decimal (i32.const 0x4028) (local.get $code)))
    (if (i32.load $own (i32.const 12)) (then
      (memory.copy $own $own (local.get $end) (i32.const 0x6050) (i32.const 2))
      (local.set $end (i32.add (local.get $end) (i32.const 2)))
      (memory.copy $own $own (local.get $end) (i32.const 0x3000) (i32.load $own (i32.const 12)))
      (local.set $end (i32.add (local.get $end) (i32.load $own (i32.const 12))))))
    (call $say (i32.const 4) (i32.const 0x4000) (i32.sub (local.get $end) (i32.const 0x4000)))
    (unreachable))

  ;; ---- Waiting ----

  ;; Whether one subscription (48 bytes) is over at once: a time that has come, or a stream.
  (func $ready (param $subscription i32) (result i32)
    (local $timeout i64)
    (if (i32.load8_u $guest offset=8 (local.get $subscription))
      (then (return (i32.lt_u (i32.load $guest offset=16 (local.get $subscription)) (i32.const 3)))))
    (local.set $timeout (i64.load $guest offset=24 (local.get $subscription)))
    (if (i32.eqz (i32.and (i32.load16_u $guest offset=40 (local.get $subscription)) (i32.const 1)))
      ;; Less than the clock can tell. (So Go waits before it reports why it ends a program.)
      (then (return (i64.le_u (local.get $timeout) (i64.const 1000000)))))
    (call $refresh)
    (i64.le_u (local.get $timeout) (i64.mul (global.get $time) (i64.const 1000000))))

  ;; What poll_oneoff says of a subscription that is over.
  (func $happened (param $subscription i32) (param $event i32)
    (memory.fill $guest (local.get $event) (i32.const 0) (i32.const 32))
    (i64.store $guest (local.get $event) (i64.load $guest (local.get $subscription)))
    (i32.store8 $guest offset=10 (local.get $event)
      (i32.load8_u $guest offset=8 (local.get $subscription))))

  (func $poll_oneoff (export "poll_oneoff")
    (param $subscription i32) (param $event i32) (param $count i32) (param $result i32) (result i32)
    (local $events i32) (local $idle i32)
    (if (i32.eqz (local.get $count)) (then (return (i32.const 28))))
    (loop $next
      (if (local.get $count) (then
        (if (call $ready (local.get $subscription)) (then
          (call $happened (local.get $subscription)
            (i32.add (local.get $event) (i32.shl (local.get $events) (i32.const 5))))
          (local.set $events (i32.add (local.get $events) (i32.const 1)))))
        ;; IDLE is readable when nothing else is ready.
        (if (i32.and
              (i32.load8_u $guest offset=8 (local.get $subscription))
              (i32.eq (i32.load $guest offset=16 (local.get $subscription)) (i32.const 0x1d1e)))
          (then (local.set $idle (local.get $subscription))))
        (local.set $subscription (i32.add (local.get $subscription) (i32.const 48)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next))))
    (if (i32.and (i32.eqz (local.get $events)) (i32.ne (local.get $idle) (i32.const 0))) (then
      (call $happened (local.get $idle) (local.get $event))
      (local.set $events (i32.const 1))))
    (if (i32.eqz (local.get $events)) (then
      (call $flush_all)
      (memory.copy $own $own (i32.const 0x4000) (i32.const 0x6060) (i32.const 187))
      (call $say (i32.const 4) (i32.const 0x4000) (i32.const 187))
      (unreachable)))
    (i32.store $guest (local.get $result) (local.get $events))
    (i32.const 0))

  (func (export "sched_yield") (result i32) (i32.const 0))

  ;; ---- Arguments and environment: a name, and nothing ----

  (func (export "args_sizes_get") (param $count i32) (param $bytes i32) (result i32)
    (i32.store $guest (local.get $count) (i32.const 1))
    (i32.store $guest (local.get $bytes) (i32.const 8))
    (i32.const 0))
  (func (export "args_get") (param $pointers i32) (param $bytes i32) (result i32)
    (i32.store $guest (local.get $pointers) (local.get $bytes))
    ;; "handler" and a zero.
    (i64.store $guest (local.get $bytes) (i64.const 0x0072656c646e6168))
    (i32.const 0))
  (func (export "environ_sizes_get") (param $count i32) (param $bytes i32) (result i32)
    (i32.store $guest (local.get $count) (i32.const 0))
    (i32.store $guest (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (func (export "environ_get") (param i32 i32) (result i32) (i32.const 0))

  ;; ---- Streams: 0 is at its end, 1 and 2 look like a terminal, so that libraries write whole lines ----

  (func $closed (param $fd i32) (result i32)
    (i32.shl (i32.gt_u (local.get $fd) (i32.const 2)) (i32.const 3)))

  (func (export "fd_fdstat_get") (param $fd i32) (param $result i32) (result i32)
    (if (call $closed (local.get $fd)) (then (return (i32.const 8))))
    (memory.fill $guest (local.get $result) (i32.const 0) (i32.const 24))
    (i32.store8 $guest (local.get $result) (i32.const 2))
    ;; Rights: read, write, set flags, poll; not to seek, which makes it a terminal.
    (i64.store $guest offset=8 (local.get $result) (i64.const 0x0800004a))
    (i32.const 0))
  (func (export "fd_filestat_get") (param $fd i32) (param $result i32) (result i32)
    (if (call $closed (local.get $fd)) (then (return (i32.const 8))))
    (memory.fill $guest (local.get $result) (i32.const 0) (i32.const 64))
    (i32.store8 $guest offset=16 (local.get $result) (i32.const 2))
    (i32.const 0))
  (func (export "fd_read") (param $fd i32) (param i32 i32) (param $result i32) (result i32)
    (if (local.get $fd) (then (return (i32.const 8))))
    (i32.store $guest (local.get $result) (i32.const 0))
    (i32.const 0))
  (func (export "fd_close") (param $fd i32) (result i32) (call $closed (local.get $fd)))
  (func (export "fd_datasync") (param $fd i32) (result i32) (call $closed (local.get $fd)))
  (func (export "fd_sync") (param $fd i32) (result i32) (call $closed (local.get $fd)))
  (func (export "fd_fdstat_set_flags") (param $fd i32) (param i32) (result i32) (call $closed (local.get $fd)))
  (func (export "fd_seek") (param $fd i32) (param i64 i32 i32) (result i32)
    (select (i32.const 8) (i32.const 70) (call $closed (local.get $fd))))
  (func (export "fd_tell") (param $fd i32) (param i32) (result i32)
    (select (i32.const 8) (i32.const 70) (call $closed (local.get $fd))))

  ;; ---- Files and sockets: there is none, so every descriptor is a bad one ----

  (func (export "fd_prestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_renumber") (param i32 i32) (result i32) (i32.const 8))
  (func (export "path_create_directory") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_remove_directory") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_unlink_file") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (i32.const 8))
  (func (export "proc_raise") (param i32) (result i32) (i32.const 52)))
