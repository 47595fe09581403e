// The effects: requests to the payment server. They run in their own instance, and the idempotency key makes a repeated one harmless.
#include "theatre.h"

// Where the payment server listens unless the request says otherwise.
#define PAYMENTS_URL "http://127.0.0.1:9900"

static relight_response post(relight_str request, relight_str path, relight_str body, relight_attempt attempt) {
  relight_str base;
  if (!relight_json_string(relight_json_field(request, "payments_url"), &base)) base = relight_text(PAYMENTS_URL);
  relight_pair headers[] = {{relight_text("idempotency-key"), attempt.idempotency_key},
                            {relight_text("content-type"), relight_text("application/json")}};
  return relight_fetch((relight_request){.method = "POST",
                                         .url = relight_format("%s%s", base.data, path.data),
                                         .headers = headers,
                                         .header_count = 2,
                                         .body = body});
}

// Charges a card.
relight_result charge(relight_str request, relight_attempt attempt) {
  relight_response response = post(request, relight_text("/charge"), request, attempt);
  if (response.error == RELIGHT_HTTP_OK && response.status == 402) {
    return relight_fail(402, "the card was declined");
  }
  return relight_response_body(response);
}

// Gives the money back.
relight_result refund_payment(relight_str request, relight_attempt attempt) {
  relight_str payment_id = RELIGHT_INPUT_STRING(relight_json_field(request, "payment_id"));
  relight_str path = relight_format("/payments/%s/refund", payment_id.data);
  relight_response response = post(request, path, relight_text(""), attempt);
  if (response.error == RELIGHT_HTTP_OK && response.status == 404) {
    return relight_fail(404, "there is no payment `%s`", payment_id.data);
  }
  RELIGHT_TRY(relight_response_body(response));
  return relight_ok_null();
}
