;; `describe` answers a manifest whose list of services is longer than the memory.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "relight:handler/handler@0.1.0#describe") (result i32) i32.const 1024)
  (func (export "relight:handler/handler@0.1.0#invoke")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
  (func (export "relight:handler/handler@0.1.0#effect")
    (param i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
  (data (i32.const 1032) "\00\04\00\00\ff\ff\ff\7f"))
