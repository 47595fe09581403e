;; A component that imports an interface which is none of the host's. Its world is in unknown-import.wit.
(module
  (import "test:bad/clock@0.1.0" "read" (func (result i64)))
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "relight:handler/handler@0.1.0#describe") (result i32) call 0 drop i32.const 0)
  (func (export "relight:handler/handler@0.1.0#invoke")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
  (func (export "relight:handler/handler@0.1.0#effect")
    (param i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable))
