// What the files of this component know of each other.
#ifndef CHECKOUT_H
#define CHECKOUT_H

#include <relight.h>

extern const relight_service_def checkout, stock;

relight_effect_function charge, refund, ship;

#endif
