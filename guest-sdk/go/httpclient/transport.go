// Package httpclient lets net/http send its requests through Relight, in effects and inline runs:
//
//	client := &http.Client{Transport: httpclient.Transport{}}
//
// net/http makes a component some megabytes larger; relight.Fetch does not.
package httpclient

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	relight "github.com/relight-dev/relight/guest-sdk/go"
)

// Transport is a http.RoundTripper over relight.Fetch. A request is sent, and its answer received, as a whole. The context of a request
// bounds it by its deadline; it cannot be cancelled otherwise.
type Transport struct{}

// RoundTrip sends one request.
func (Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	converted := relight.Request{Method: request.Method, URL: request.URL.String()}
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	if deadline, some := request.Context().Deadline(); some {
		converted.Timeout = max(time.Until(deadline), time.Millisecond)
	}
	if request.Body != nil {
		body, err := io.ReadAll(request.Body)
		request.Body.Close()
		if err != nil {
			return nil, fmt.Errorf("read the body of the request: %w", err)
		}
		converted.Body = body
	}
	// Request.Write would do the same: headers in the order of their names.
	for _, name := range slices.Sorted(maps.Keys(request.Header)) {
		for _, value := range request.Header[name] {
			converted.Headers = append(converted.Headers, relight.Header{Name: name, Value: value})
		}
	}
	answer, err := relight.Fetch(converted)
	if err != nil {
		return nil, err
	}
	response := &http.Response{
		Status: fmt.Sprintf("%d %s", answer.Status, http.StatusText(answer.Status)), StatusCode: answer.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: request,
		Body: io.NopCloser(bytes.NewReader(answer.Body)), ContentLength: int64(len(answer.Body)),
	}
	for _, header := range answer.Headers {
		response.Header.Add(header.Name, header.Value)
	}
	return response, nil
}
