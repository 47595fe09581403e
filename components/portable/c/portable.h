// What the files of this component know of each other. The contract is in ../README.md.
#ifndef PORTABLE_H
#define PORTABLE_H

#include <relight.h>

extern const relight_service_def desk, shelf, errand;

relight_effect_function run_flaky, run_broken, run_echo;

#endif
