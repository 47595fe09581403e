package relight

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// Request is an outgoing HTTP request, for effects and inline runs. Which hosts are allowed is decided when the component is
// deployed. (The package httpclient next to this one has a http.RoundTripper, for those who can bear the size of net/http.)
type Request struct {
	// Method is GET if empty.
	Method string
	// URL is absolute, http or https.
	URL     string
	Headers []Header
	Body    []byte
	// JSON is the body, if it is not nil; the header says so.
	JSON any
	// Timeout bounds the time from connecting to the last byte of the answer.
	Timeout time.Duration
}

// Response is the whole answer, whatever its status.
type Response struct {
	Status  int
	Headers []Header
	Body    []byte
}

// FetchError says why there is no answer.
type FetchError struct {
	// Reason is for people.
	Reason string
	// Denied tells that the deployment does not allow the request.
	Denied bool
	// Timeout tells that there was no whole answer in time.
	Timeout bool
}

// Error is the reason.
func (e *FetchError) Error() string { return e.Reason }

// Fetch sends a request and waits for the whole answer; redirects are not followed. Only an effect or an inline run can. Returned
// from there, its error asks for another attempt.
func Fetch(request Request) (*Response, error) {
	converted := host.HTTPRequest{
		Method: request.Method, URL: request.URL, Body: request.Body, Timeout: optionalMillis(request.Timeout),
	}
	if converted.Method == "" {
		converted.Method = "GET"
	}
	for _, header := range request.Headers {
		converted.Headers = append(converted.Headers, host.Pair(header))
	}
	if request.JSON != nil {
		converted.Headers = append(converted.Headers, host.Pair{Name: "content-type", Value: contentType})
		converted.Body = encode(request.JSON)
	}
	response, failed := host.Fetch(converted)
	if failed != nil {
		return nil, fetchError(failed)
	}
	answer := &Response{Status: int(response.Status), Body: response.Body}
	for _, header := range response.Headers {
		answer.Headers = append(answer.Headers, Header(header))
	}
	return answer, nil
}

func fetchError(failed *host.HTTPError) *FetchError {
	switch failed.Kind {
	case host.HTTPDenied:
		return &FetchError{Reason: "the request is not allowed: " + failed.Reason, Denied: true}
	case host.HTTPTimeout:
		return &FetchError{Reason: "the request timed out", Timeout: true}
	case host.HTTPConnect:
		return &FetchError{Reason: "failed to connect: " + failed.Reason}
	case host.HTTPTooLarge:
		return &FetchError{Reason: "the request or its answer is too large"}
	default:
		return &FetchError{Reason: "the request failed: " + failed.Reason}
	}
}

// Header is the first value of a header; upper and lower case of the name are the same.
func (r *Response) Header(name string) string {
	for _, header := range r.Headers {
		if strings.EqualFold(header.Name, name) {
			return header.Value
		}
	}
	return ""
}

// Err is nil for a status below 400, and else an error with the beginning of the body.
func (r *Response) Err() error {
	// As much of the body as helps a reader of the journal.
	const bodyBytesMax = 200
	if r.Status < 400 {
		return nil
	}
	return fmt.Errorf("the answer has status %d: %.*s", r.Status, bodyBytesMax, r.Body)
}

// Decode reads the body as JSON.
func (r *Response) Decode(into any) error {
	if err := json.Unmarshal(r.Body, into); err != nil {
		return fmt.Errorf("cannot read the answer: %w", err)
	}
	return nil
}
