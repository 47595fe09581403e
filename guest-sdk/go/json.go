package relight

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// Payloads are JSON. A handler, call or effect that takes nothing has an empty payload.

// What the library prepares when it meets a type for the first time, it has prepared for these when the component is built.
func init() {
	value, err := decode[any]([]byte(`{"a":[1.5,"b",true,null]}`))
	if err != nil {
		panic(err)
	}
	encode(value)
	encode(Void{})
}

// Void is the input of a handler that takes nothing, and the output of one that gives nothing. In JSON: null.
type Void struct{}

// MarshalJSON gives null.
func (Void) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// UnmarshalJSON takes anything.
func (*Void) UnmarshalJSON([]byte) error { return nil }

// encode panics for what cannot be expressed in JSON, such as a channel: that is a mistake in the program.
func encode(value any) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(fmt.Sprintf("cannot encode a value of type %T as JSON: %v", value, err))
	}
	return unescaped(bytes.TrimSuffix(buffer.Bytes(), []byte("\n")))
}

// unescaped writes the two line separators as themselves, as other languages do, so that each can go on with what another recorded.
func unescaped(text []byte) []byte {
	if !bytes.Contains(text, []byte(`\u202`)) {
		return text
	}
	plain := make([]byte, 0, len(text))
	for len(text) > 0 {
		switch {
		case bytes.HasPrefix(text, []byte(`\u2028`)):
			plain, text = append(plain, "\u2028"...), text[6:]
		case bytes.HasPrefix(text, []byte(`\u2029`)):
			plain, text = append(plain, "\u2029"...), text[6:]
		case text[0] == '\\' && len(text) > 1:
			plain, text = append(plain, text[:2]...), text[2:]
		default:
			plain, text = append(plain, text[0]), text[1:]
		}
	}
	return plain
}

// encodeInput is empty for Void.
func encodeInput(value any) []byte {
	if _, nothing := value.(Void); nothing {
		return nil
	}
	return encode(value)
}

func decode[T any](payload []byte) (T, error) {
	var value T
	if len(payload) == 0 {
		payload = []byte("null")
	}
	return value, json.Unmarshal(payload, &value)
}

// decodeInput also refuses fields that are missing: a caller that left one out by mistake does not mean its zero value.
func decodeInput[T any](payload []byte) (T, error) {
	value, err := decode[T](payload)
	if err == nil && len(payload) > 0 {
		err = missing(reflect.TypeFor[T](), payload, "")
	}
	return value, err
}

// decodeRecorded reads what somebody recorded: a result, a state value.
func decodeRecorded[T any](payload []byte, what string) (T, error) {
	value, err := decode[T](payload)
	if err != nil {
		return value, Fail(500, "cannot read %s: %v", what, err)
	}
	return value, nil
}

// sortedPairs makes the order of a map that of its names: what is sent must be the same on replay.
func sortedPairs(facts map[string]string) []host.Pair {
	pairs := make([]host.Pair, 0, len(facts))
	for name, value := range facts {
		pairs = append(pairs, host.Pair{Name: name, Value: value})
	}
	slices.SortFunc(pairs, func(a, b host.Pair) int { return strings.Compare(a.Name, b.Name) })
	return pairs
}
