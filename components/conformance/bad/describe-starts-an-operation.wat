;; `describe` calls an import that is not for it.
(module
  (import "relight:handler/context@0.1.0" "now" (func (result i64)))
  (import "relight:handler/state@0.1.0" "clear-all" (func $clear-all))
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "relight:handler/handler@0.1.0#describe") (result i32) call $clear-all i32.const 0)
  (func (export "relight:handler/handler@0.1.0#invoke")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
  (func (export "relight:handler/handler@0.1.0#effect")
    (param i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable))
