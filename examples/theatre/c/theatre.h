// What the files of this component know of each other.
#ifndef THEATRE_H
#define THEATRE_H

#include <relight.h>

extern const relight_service_def cart, ticket, refund, mail;

relight_effect_function charge, refund_payment;

// A field of an object as JSON, `null` when there is none.
RELIGHT_API relight_str field_or_null(relight_str object, const char *name) {
  relight_str value = relight_json_field(object, name);
  return value.length ? value : relight_text("null");
}

// A field that is a number of seconds, in milliseconds.
RELIGHT_API uint64_t seconds_or(relight_str object, const char *name, uint64_t otherwise) {
  int64_t seconds;
  bool is_there = relight_json_int(relight_json_field(object, name), &seconds) && seconds >= 0;
  return is_there ? RELIGHT_SECONDS(seconds) : otherwise;
}

#endif
