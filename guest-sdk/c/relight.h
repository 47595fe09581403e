// The C SDK of Relight: durable handlers as plain C functions. Include this file; README.md beside it is the manual.
//
// What lives here: nothing but the order of the parts. What each part is about, its file says first.
//
// A C file is compiled for wasm32-wasi (`relight build` does it). An instance works on one attempt of one invocation and is dropped
// afterwards, so nothing is ever freed: all memory that this SDK gives out lives as long as the attempt.
#ifndef RELIGHT_H
#define RELIGHT_H

#include "relight/base.h"
#include "relight/abi.h"
#include "relight/json.h"
#include "relight/operations.h"
#include "relight/outside.h"
#include "relight/component.h"

#endif
