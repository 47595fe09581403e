;; `describe` answers a manifest with one service, the workflow `W`.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "relight:handler/handler@0.1.0#describe") (result i32) i32.const 1024)
  (func (export "relight:handler/handler@0.1.0#invoke")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
  (func (export "relight:handler/handler@0.1.0#effect")
    (param i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
  ;; The list of services: one at 2048.
  (data (i32.const 1032) "\00\08\00\00\01\00\00\00")
  ;; Its name: one byte at 4096; its kind: the third one.
  (data (i32.const 2048) "\00\10\00\00\01\00\00\00\02")
  (data (i32.const 4096) "W"))
