;; A core module that says nothing about its world.
(module
  (func (export "answer") (result i32) i32.const 42))
